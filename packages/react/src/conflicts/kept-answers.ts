/** Half-made decisions survive a reload and "Decide later", in the browser's session; they are gone with it, and with a sign-out. */
import { isObject, type Json } from '@holdfast/core'
import type { Answer, KeptAnswer } from './merge-draft.ts'

export interface KeptAnswers {
  read(): readonly KeptAnswer[]
  /** None: forgets what was kept. */
  write(answers: readonly KeptAnswer[]): void
}

export function keptAnswers(user: string, collection: string, record: string): KeptAnswers {
  const key = `${prefixOf(user)}${collection}:${record}`
  return {
    read: () => parse(storage()?.getItem(key) ?? null),
    write: (answers) => {
      if (answers.length === 0) storage()?.removeItem(key)
      else storage()?.setItem(key, JSON.stringify(answers))
    },
  }
}

/** All of one user: what a person typed does not outlive the session. */
export function forgetAnswers(user: string): void {
  const kept = storage()
  if (kept === null) return
  const keys = Array.from({ length: kept.length }, (_, index) => kept.key(index))
  for (const key of keys) if (key?.startsWith(prefixOf(user)) === true) kept.removeItem(key)
}

function prefixOf(user: string): string {
  return `holdfast:merge:${user}:`
}

/** Null where the browser's settings forbid it. */
function storage(): Storage | null {
  try {
    return sessionStorage
  } catch {
    return null
  }
}

function parse(text: string | null): readonly KeptAnswer[] {
  try {
    const stored: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(stored) ? stored.flatMap((one) => keptAnswer(one) ?? []) : []
  } catch {
    return []
  }
}

function keptAnswer(stored: unknown): KeptAnswer | null {
  if (!isObject(stored) || typeof stored.field !== 'string' || !isObject(stored.seen)) return null
  const { field, seen } = stored
  const answer = answerOf(stored.answer)
  if (answer === null || !isObject(seen.locals)) return null
  // What JSON.parse made is JSON.
  return {
    field,
    answer,
    seen: { remote: seen.remote as Json, locals: seen.locals as { readonly [id: string]: Json } },
  }
}

function answerOf(stored: unknown): Answer | null {
  if (!isObject(stored)) return null
  const { kind, conflict, text } = stored
  if (kind === 'remote') return { kind }
  if (kind === 'local' && typeof conflict === 'string') return { kind, conflict }
  return kind === 'typed' && typeof text === 'string' ? { kind, text } : null
}
