/** What a device shows: the confirmed row with the unsettled operations folded over it, in local order. The device does not predict merges. */

import { EngineError } from '../errors.ts'
import type { Json, JsonObject } from '../json.ts'
import type { Operation } from '../protocol/operation.ts'
import type { Collection } from '../schema/collection.ts'
import type { SharedTextType } from '../schema/shared-text.ts'
import { textSet, textsOf } from './text-set.ts'

/** A record's values: fields by name, with createdAt and updatedAt; the id is known where it is used. */
export interface RecordValues {
  readonly createdAt: number
  readonly updatedAt: number
  readonly fields: { readonly [name: string]: Json }
  /** On a device: the documents of shared texts, by field; one that is absent is that of its text. */
  readonly documents?: { readonly [name: string]: string }
}

/**
 * One operation over a row (null: no such record), at the time by which the device dates it. As on the server, an edit that
 * was made earlier does not turn `updatedAt` back.
 */
export function fold(
  collection: Collection,
  row: RecordValues | null,
  operation: Pick<Operation, 'kind' | 'fields'>,
  atMs: number,
): RecordValues | null {
  switch (operation.kind) {
    case 'create':
      return row ?? { createdAt: atMs, updatedAt: atMs, fields: operation.fields }
    case 'restore':
      return (
        row ??
        (Object.keys(operation.fields).length === 0
          ? null
          : { createdAt: atMs, updatedAt: atMs, fields: operation.fields })
      )
    case 'delete':
      return null
    case 'update':
      return row && changedAt(row, atMs, operation.fields)
    case 'increment':
      return row && changedAt(row, atMs, incremented(row.fields, operation.fields))
    case 'add':
      return (
        row &&
        changedAt(
          row,
          atMs,
          mapped(operation.fields, (name, texts) => withTexts(row.fields[name], texts)),
        )
      )
    case 'remove':
      return (
        row &&
        changedAt(
          row,
          atMs,
          mapped(operation.fields, (name, texts) => withoutTexts(row.fields[name], texts)),
        )
      )
    case 'edit':
      return row && edited(collection, row, operation.fields, atMs)
  }
}

function changedAt(row: RecordValues, atMs: number, fields: JsonObject): RecordValues {
  return { ...row, updatedAt: Math.max(row.updatedAt, atMs), fields: { ...row.fields, ...fields } }
}

/** The texts of a set with what an operation adds. */
export function withTexts(value: Json | undefined, added: readonly string[]): Json {
  return textSet([...textsOf(value), ...added])
}

/** The texts of a set without what an operation removes. */
export function withoutTexts(value: Json | undefined, removed: readonly string[]): Json {
  return textsOf(value).filter((text) => !removed.includes(text))
}

function mapped(fields: JsonObject, change: (name: string, texts: readonly string[]) => Json): JsonObject {
  return Object.fromEntries(Object.entries(fields).map(([name, texts]) => [name, change(name, textsOf(texts))]))
}

function edited(collection: Collection, row: RecordValues, changes: JsonObject, atMs: number): RecordValues {
  const documents = { ...row.documents }
  const fields: Record<string, Json> = {}
  for (const [name, change] of Object.entries(changes)) {
    const rule = collection.fields[name]?.rule
    if (rule?.kind !== 'shared') continue
    const document = documents[name] ?? rule.type.documentOf(String(row.fields[name] ?? ''))
    const next = merged(rule.type, document, String(change))
    if (next === null) continue
    documents[name] = next.document
    fields[name] = next.text
  }
  return { ...changedAt(row, atMs, fields), documents }
}

/** Null: the change builds on one that was refused. The text stays without both, and the server refuses this one too. */
function merged(type: SharedTextType, document: string, change: string): ReturnType<SharedTextType['merge']> | null {
  try {
    return type.merge(document, change)
  } catch (error) {
    if (error instanceof EngineError) return null
    throw error
  }
}

/** Counters with what an operation adds. */
export function incremented(
  fields: { readonly [name: string]: Json },
  added: { readonly [name: string]: Json },
): { readonly [name: string]: Json } {
  return Object.fromEntries(Object.entries(added).map(([name, by]) => [name, Number(fields[name] ?? 0) + Number(by)]))
}
