/** What a form holds while it is filled in, as texts; and what of it is wrong, by the rules of the schema. */
import { brokenRule, type RowPatch } from '@holdfast/core'
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
