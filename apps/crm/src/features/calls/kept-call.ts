import { useEffect, useState } from 'react'

/** What is typed of a call before it is logged, as texts. */
export interface CallDraft {
  readonly outcome: string
  readonly minutes: string
  readonly seconds: string
  readonly note: string
}

export const emptyCall: CallDraft = { outcome: 'answered', minutes: '', seconds: '', note: '' }

/** A half-typed call survives a reload and a look at another page, in the browser's session; one call for each lead. */
export function useKeptCall(lead: string): readonly [CallDraft, (call: CallDraft) => void] {
  const key = `crm:draft:call:${lead}`
  const [call, setCall] = useState(() => read(key))
  useEffect(() => {
    const isEmpty = Object.entries(emptyCall).every(([field, text]) => call[field as keyof CallDraft] === text)
    if (isEmpty) sessionStorage.removeItem(key)
    else sessionStorage.setItem(key, JSON.stringify(call))
  }, [key, call])
  return [call, setCall]
}

function read(key: string): CallDraft {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(key) ?? '{}')
    if (typeof stored !== 'object' || stored === null) return emptyCall
    const texts = Object.entries(stored).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
    return { ...emptyCall, ...Object.fromEntries(texts) }
  } catch {
    return emptyCall
  }
}
