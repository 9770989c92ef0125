/**
 * What a person has decided so far on the open conflicts of one record. Pure; the screen shows it.
 *
 * MD1  A question is a field, or the record as a whole ('' ); all conflicts of a field are one question with one answer.
 * MD2  Nothing is chosen in advance, and nothing is ready before each question has an answer. Where the answer is that the record
 *      is deleted, its fields are no question.
 * MD3  An answer is to what was seen: when a side changes, the question is asked again. What was typed is kept, and counts only once
 *      the person has said so again.
 * MD4  Answers outlive the screen, with what they were given to: what changed meanwhile is asked again as if the screen had stood.
 */

import type { ConflictItem } from '@holdfast/client'
import { type Author, type Collection, type Json, sameJson } from '@holdfast/core'
import { parseTyped } from './typed-value.ts'

export interface Question {
  /** '' : the record as a whole; its values are then objects of fields, or null for a deletion. */
  readonly field: string
  /** The sides that are not the server's, this device's own first. */
  readonly sides: readonly [ConflictItem, ...ConflictItem[]]
}

export type Answer =
  | { readonly kind: 'none' }
  | { readonly kind: 'remote' }
  | { readonly kind: 'local'; readonly conflict: string }
  | { readonly kind: 'typed'; readonly text: string }

/** The sides of a question, as the person has seen them. */
export interface Seen {
  readonly remote: Json
  readonly locals: { readonly [conflict: string]: Json }
}

/** What is kept of a row while its screen is closed. */
export interface KeptAnswer {
  readonly field: string
  readonly answer: Answer
  readonly seen: Seen
}

export interface Row {
  readonly question: Question
  readonly answer: Answer
  /** What the answer is to. */
  readonly seen: Seen
  /** Who changed a side since the person has seen it; the question is then asked again. */
  readonly changedBy: Author | null
}

export interface MergeDraft {
  readonly collection: Collection
  readonly rows: readonly Row[]
}

export type Results = { readonly [conflict: string]: Json }

/** What stands in a row: nothing yet, a value, or something typed that the field may not hold. */
export type RowResult =
  | { readonly kind: 'open' }
  | { readonly kind: 'value'; readonly value: Json }
  | { readonly kind: 'wrong'; readonly rule: string }

const none: Answer = { kind: 'none' }

/** @param kept the answers from before [MD4]; one to a question that is settled is left out. */
export function startDraft(
  collection: Collection,
  items: readonly ConflictItem[],
  kept: readonly KeptAnswer[] = [],
): MergeDraft {
  const known = new Map(kept.map((one) => [one.field, one]))
  return { collection, rows: questionsOf(collection, items).map((question) => rowOf(question, known)) }
}

/** The answers that are worth keeping. */
export function answersOf({ rows }: MergeDraft): readonly KeptAnswer[] {
  return rows
    .filter(({ answer }) => answer.kind !== 'none')
    .map(({ question, answer, seen }) => ({ field: question.field, answer, seen }))
}

/** The draft after the conflicts have changed [MD3]. */
export function followed(draft: MergeDraft, items: readonly ConflictItem[]): MergeDraft {
  const known = new Map(draft.rows.map((row) => [row.question.field, row]))
  return { ...draft, rows: questionsOf(draft.collection, items).map((question) => rowOf(question, known)) }
}

function rowOf(question: Question, known: ReadonlyMap<string, Pick<Row, 'answer' | 'seen'>>): Row {
  const before = known.get(question.field)
  if (before === undefined) return { question, answer: none, seen: seenOf(question), changedBy: null }
  const { answer, seen } = before
  const changedBy = changeOf(seen, question)
  return { question, answer: changedBy === null || answer.kind === 'typed' ? answer : none, seen, changedBy }
}

function seenOf({ sides }: Question): Seen {
  return { remote: sides[0].remote, locals: Object.fromEntries(sides.map(({ id, local }) => [id, local])) }
}

export function answered(draft: MergeDraft, field: string, answer: Answer): MergeDraft {
  return {
    ...draft,
    rows: draft.rows.map((row) =>
      row.question.field === field ? { ...row, answer, seen: seenOf(row.question), changedBy: null } : row,
    ),
  }
}

/** Everything from one hand: the server's side, or the first side of each question. */
export function answeredAll(draft: MergeDraft, whose: 'remote' | 'local'): MergeDraft {
  return {
    ...draft,
    rows: draft.rows.map((row) => ({
      ...row,
      answer: whose === 'remote' ? { kind: 'remote' } : { kind: 'local', conflict: row.question.sides[0].id },
      seen: seenOf(row.question),
      changedBy: null,
    })),
  }
}

export function resultOf(
  { collection }: Pick<MergeDraft, 'collection'>,
  { question, answer }: Pick<Row, 'question' | 'answer'>,
): RowResult {
  switch (answer.kind) {
    case 'none':
      return { kind: 'open' }
    case 'remote':
      return { kind: 'value', value: question.sides[0].remote }
    case 'local': {
      const side = question.sides.find(({ id }) => id === answer.conflict)
      return side === undefined ? { kind: 'open' } : { kind: 'value', value: side.local }
    }
    case 'typed': {
      const field = collection.fields[question.field]
      return field === undefined ? { kind: 'open' } : parseTyped(field, answer.text)
    }
  }
}

/** Whether the row has an answer that counts. */
export function isDecided(draft: Pick<MergeDraft, 'collection'>, row: Row): boolean {
  return row.changedBy === null && resultOf(draft, row).kind === 'value'
}

/** The questions that are still open, in order. */
export function openRows(draft: MergeDraft): readonly Row[] {
  const asked = isDeleted(draft) ? draft.rows.filter(({ question }) => question.field === '') : draft.rows
  return asked.filter((row) => !isDecided(draft, row))
}

/** What is to stand, by conflict; null while a question is open [MD2]. */
export function resultsOf(draft: MergeDraft): Results | null {
  if (draft.rows.length === 0 || openRows(draft).length > 0) return null
  const isWhole = isDeleted(draft)
  return Object.fromEntries(
    draft.rows
      .filter(({ question }) => !isWhole || question.field === '')
      .flatMap((row) => {
        const result = resultOf(draft, row)
        return result.kind === 'value' ? row.question.sides.map(({ id }) => [id, result.value] as const) : []
      }),
  )
}

/** The answer on the record as a whole is that it goes. */
function isDeleted(draft: MergeDraft): boolean {
  const whole = draft.rows.find(({ question }) => question.field === '')
  if (whole === undefined || !isDecided(draft, whole)) return false
  const result = resultOf(draft, whole)
  return result.kind === 'value' && result.value === null
}

/** The record as a whole comes first, then its fields in the order of the schema. */
function questionsOf(collection: Collection, items: readonly ConflictItem[]): readonly Question[] {
  return ['', ...Object.keys(collection.fields)].flatMap((field): readonly Question[] => {
    const ofField = items.filter((item) => item.field === field)
    const [first, ...others] = [...ofField.filter(({ isOwn }) => isOwn), ...ofField.filter(({ isOwn }) => !isOwn)]
    return first === undefined ? [] : [{ field, sides: [first, ...others] }]
  })
}

/** Who made the question another one than was seen; null: it is the same. */
function changeOf({ remote, locals }: Seen, { sides }: Question): Author | null {
  const [first] = sides
  if (!sameJson(remote, first.remote)) return first.remoteBy
  const changed = sides.find(({ id, local }) => !Object.hasOwn(locals, id) || !sameJson(locals[id] ?? null, local))
  if (changed !== undefined) return changed.localBy
  return sides.length === Object.keys(locals).length ? null : first.remoteBy // One of three sides was settled elsewhere.
}
