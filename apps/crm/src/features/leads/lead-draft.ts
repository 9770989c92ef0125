/** What a form holds while it is filled in, as texts; and what of it is wrong, by the rules of the schema. */
import { brokenRule, type JsonObject, type RowPatch } from '@holdfast/core'
import { type Crm, crm, sources, stages } from '../../schema.ts'
import type { Lead, Source, Stage } from './lead-words.ts'

export const draftFields = ['name', 'phone', 'email', 'stage', 'source', 'district', 'budget', 'notes'] as const
export type DraftField = (typeof draftFields)[number]
export type LeadDraft = { readonly [field in DraftField]: string }

export const emptyDraft: LeadDraft = {
  name: '',
  phone: '',
  email: '',
  stage: 'new',
  source: 'call',
  district: '',
  budget: '',
  notes: '',
}

export function draftOf(lead: Lead): LeadDraft {
  const { name, phone, email, stage, source, district, budget, notes } = lead
  return { name, phone, email, stage, source, district, budget: budget === 0 ? '' : String(budget), notes }
}

/** What was written to a lead, over what a form starts from. */
export function draftWith(draft: LeadDraft, fields: JsonObject): LeadDraft {
  const texts = draftFields
    .filter((field) => Object.hasOwn(fields, field))
    .map((field) => [field, field === 'budget' && fields.budget === 0 ? '' : String(fields[field] ?? '')] as const)
  return { ...draft, ...Object.fromEntries(texts) }
}

export function isDraftField(name: string | null): name is DraftField {
  return draftFields.some((field) => field === name)
}

export interface LeadValues {
  readonly name: string
  readonly phone: string
  readonly email: string
  readonly stage: Stage
  readonly source: Source
  readonly district: string
  readonly budget: number
  readonly notes: string
}

export function valuesOf(draft: LeadDraft): LeadValues {
  return {
    name: draft.name.trim(),
    phone: draft.phone.trim(),
    email: draft.email.trim(),
    stage: stages.find((stage) => stage === draft.stage) ?? 'new',
    source: sources.find((source) => source === draft.source) ?? 'call',
    district: draft.district.trim(),
    budget: draft.budget.trim() === '' ? 0 : Number(draft.budget),
    notes: draft.notes,
  }
}

/** What a form showed, letter by letter: what its writer has seen. */
export function seenOf(shown: LeadDraft): LeadValues {
  const { name, phone, email, district } = shown
  return { ...valuesOf(shown), name, phone, email, district }
}

/** What is shown elsewhere by now of the fields that a form shows in another way, by field. */
export function newsOf(
  from: LeadDraft,
  draft: LeadDraft,
  now: LeadDraft,
): { readonly [field in DraftField]?: FieldNews } {
  const moved = draftFields.filter((field) => now[field] !== from[field] && now[field] !== draft[field])
  return Object.fromEntries(moved.map((field) => [field, draft[field] === from[field] ? 'left' : 'typed']))
}

/** Of a field that somebody else has changed meanwhile: whether this form leaves it, or changes it too. */
export type FieldNews = 'left' | 'typed'

export type DraftProblems = { readonly [field in DraftField]?: string }

export function problemsOf(draft: LeadDraft): DraftProblems {
  const values = valuesOf(draft)
  const problems: { [field in DraftField]?: string } = {}
  for (const field of draftFields) {
    const rule = brokenRule(crm.collections.leads.fields[field], values[field])
    if (rule !== null) problems[field] = `Must be ${rule}.`
  }
  return problems
}

/** Only what was changed in this form: a field that somebody else changed meanwhile keeps their value. */
export function patchOf(before: LeadDraft, after: LeadDraft): RowPatch<Crm['collections']['leads']> {
  const was = valuesOf(before)
  const is = valuesOf(after)
  const changed = draftFields.filter((field) => was[field] !== is[field])
  return Object.fromEntries(changed.map((field) => [field, is[field]]))
}
