import { useEffect, useState } from 'react'
import { draftFields, type LeadDraft } from './lead-draft.ts'

export interface KeptDraft {
  readonly draft: LeadDraft
  /** What the form showed when it was begun: by it, what was changed in the form is told from what somebody else has changed since. */
  readonly from: LeadDraft
  /** Whether it holds what was typed before this page was opened. */
  readonly isKept: boolean
  readonly setDraft: (change: (before: LeadDraft) => LeadDraft) => void
  readonly startOver: (from: LeadDraft) => void
  /** For when it was saved or left. */
  readonly drop: () => void
}

/** A half-filled form survives a reload and a killed tab of the browser's session, with what it was begun from. */
export function useKeptDraft(name: string, initial: LeadDraft): KeptDraft {
  const key = `crm:draft:${name}`
  const [form, setForm] = useState(() => read(key) ?? { from: initial, draft: initial, isKept: false })
  const { from, draft, isKept } = form
  const isChanged = draftFields.some((field) => draft[field] !== from[field])
  useEffect(() => {
    if (isChanged) sessionStorage.setItem(key, JSON.stringify({ from, draft }))
    else sessionStorage.removeItem(key)
  }, [key, draft, from, isChanged])
  return {
    draft,
    from,
    isKept: isKept && isChanged,
    setDraft: (change) => setForm((before) => ({ ...before, draft: change(before.draft) })),
    startOver: (next) => setForm({ from: next, draft: next, isKept: false }),
    drop: () => sessionStorage.removeItem(key),
  }
}

function read(key: string): { readonly from: LeadDraft; readonly draft: LeadDraft; readonly isKept: true } | null {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(key) ?? 'null')
    if (typeof stored !== 'object' || stored === null || !('from' in stored) || !('draft' in stored)) return null
    return isDraft(stored.from) && isDraft(stored.draft)
      ? { from: stored.from, draft: stored.draft, isKept: true }
      : null
  } catch {
    return null
  }
}

function isDraft(input: unknown): input is LeadDraft {
  if (typeof input !== 'object' || input === null) return false
  const texts = new Map<string, unknown>(Object.entries(input))
  return draftFields.every((field) => typeof texts.get(field) === 'string')
}
