import { type Dispatch, type SetStateAction, useEffect, useState } from 'react'
import { draftFields, type LeadDraft } from './lead-draft.ts'

/** A half-filled form survives a reload and a killed tab of the browser's session; `drop` is for when it was saved or left. */
export function useKeptDraft(
  name: string,
  initial: LeadDraft,
): { readonly draft: LeadDraft; readonly setDraft: Dispatch<SetStateAction<LeadDraft>>; readonly drop: () => void } {
  const key = `crm:draft:${name}`
  const [draft, setDraft] = useState(() => read(key, initial))
  useEffect(() => {
    if (draftFields.some((field) => draft[field] !== initial[field])) sessionStorage.setItem(key, JSON.stringify(draft))
    else sessionStorage.removeItem(key)
  }, [key, draft, initial])
  return { draft, setDraft, drop: () => sessionStorage.removeItem(key) }
}

function read(key: string, initial: LeadDraft): LeadDraft {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(key) ?? 'null')
    if (typeof stored !== 'object' || stored === null) return initial
    const texts = Object.entries(stored).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    return { ...initial, ...Object.fromEntries(texts) }
  } catch {
    return initial
  }
}
