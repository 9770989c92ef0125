export declare const stages: readonly [
  'new',
  'contacted',
  'qualified',
  'visit',
  'negotiation',
  'reserved',
  'won',
  'lost',
]
export declare const sources: readonly ['listing', 'call', 'whatsapp', 'referral', 'campaign', 'walk-in']
export declare const callOutcomes: readonly ['answered', 'no-answer', 'busy']
export declare const crm: import('@holdfast/core').Schema<{
  readonly leads: import('@holdfast/core').Collection<{
    /** The agent who works the lead: a user's id. */
    readonly owner: import('@holdfast/core').Field<string, 'required'>
    readonly name: import('@holdfast/core').Field<string, 'required'>
    readonly phone: import('@holdfast/core').Field<string, 'omittable'>
    readonly email: import('@holdfast/core').Field<string, 'omittable'>
    readonly stage: import('@holdfast/core').Field<
      'contacted' | 'lost' | 'negotiation' | 'new' | 'qualified' | 'reserved' | 'visit' | 'won',
      'omittable'
    >
    readonly source: import('@holdfast/core').Field<
      'call' | 'campaign' | 'listing' | 'referral' | 'walk-in' | 'whatsapp',
      'omittable'
    >
    readonly district: import('@holdfast/core').Field<string, 'omittable'>
    readonly budget: import('@holdfast/core').Field<number, 'omittable'>
    readonly notes: import('@holdfast/core').Field<string, 'omittable'>
    readonly visits: import('@holdfast/core').Field<number, 'counter'>
  }>
  readonly calls: import('@holdfast/core').Collection<{
    readonly lead: import('@holdfast/core').Field<string, 'required'>
    /** Who called; the call is on the devices of this agent. */
    readonly owner: import('@holdfast/core').Field<string, 'required'>
    readonly outcome: import('@holdfast/core').Field<'answered' | 'busy' | 'no-answer', 'required'>
    readonly seconds: import('@holdfast/core').Field<number, 'omittable'>
    readonly note: import('@holdfast/core').Field<string, 'omittable'>
    readonly at: import('@holdfast/core').Field<number, 'required'>
  }>
}>
export type Crm = typeof crm
//# sourceMappingURL=schema.d.ts.map
