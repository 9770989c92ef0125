/** The data of the CRM, shared by app and server: leads in a pipeline, and the calls made to them. */
import { collection, defineSchema, t } from '@holdfast/core'

export const stages = ['new', 'contacted', 'qualified', 'visit', 'negotiation', 'reserved', 'won', 'lost'] as const
export const sources = ['listing', 'call', 'whatsapp', 'referral', 'campaign', 'walk-in'] as const
export const callOutcomes = ['answered', 'no-answer', 'busy'] as const

export const crm = defineSchema({
  version: 2,
  collections: {
    leads: collection({
      fields: {
        /** The agent who works the lead: a user's id. */
        owner: t.text({ min: 1, max: 128 }),
        name: t.text({ min: 1, max: 200 }),
        phone: t.text({ default: '', max: 50 }),
        email: t.text({ default: '', max: 320 }),
        stage: t.enum(stages, { default: 'new' }),
        source: t.enum(sources, { default: 'call' }),
        district: t.text({ default: '', max: 200 }),
        budget: t.integer({ min: 0, default: 0 }),
        /** Nobody's sentence is dropped: where two people wrote, one of them decides. */
        notes: t.text({ default: '', max: 20_000, merge: 'manual' }),
        visits: t.counter(),
      },
      // The columns that the list sorts by, alone and under each filter of the app.
      indexes: [
        ['owner', 'stage', 'updatedAt'],
        ['stage', 'updatedAt'],
        ['updatedAt'],
        ['createdAt'],
        ['name'],
        ['budget'],
      ],
      search: ['name', 'phone', 'notes'],
      merge: 'fields',
      scope: { agent: 'owner' },
    }),
    calls: collection({
      fields: {
        lead: t.ref('leads'),
        /** Who called. */
        owner: t.text({ min: 1, max: 128 }),
        outcome: t.enum(callOutcomes),
        seconds: t.integer({ min: 0, default: 0 }),
        note: t.text({ default: '', max: 5_000 }),
        at: t.instant(),
      },
      indexes: [['lead', 'at']],
      // Where the lead is, whoever called: it goes with the lead to another agent.
      scope: { via: 'lead' },
    }),
  },
})

export type Crm = typeof crm
