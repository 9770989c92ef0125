/**
 * From what an app asks for to what an operation carries: without what says what is there already, and a shared text as the change
 * that makes it read as it shall.
 */
import {
  type Collection,
  fold,
  type Json,
  type JsonObject,
  type Operation,
  type OperationId,
  type RecordValues,
  type SharedTextType,
  sameJson,
  textsOf,
} from '@holdfast/core'
import type { CheckedDraft } from './check-draft.ts'

export function intentOf({ draft, table, fields }: CheckedDraft, shown: RecordValues): JsonObject {
  const intended: Record<string, Json> = {}
  for (const [name, value] of Object.entries(fields)) {
    const intent = intentOfField(draft.kind, value, shown.fields[name] ?? null)
    if (intent !== null) intended[name] = intent.value
  }
  return draft.kind === 'edit' ? textChanges(table.collection, shown, intended, draft.id) : intended
}

/** The changes that make shared texts read as they shall. */
export function textChanges(
  collection: Collection,
  shown: RecordValues,
  texts: JsonObject,
  operation: OperationId,
): JsonObject {
  const changes: Record<string, Json> = {}
  for (const [name, text] of Object.entries(texts)) {
    const rule = collection.fields[name]?.rule
    if (rule?.kind !== 'shared') continue
    changes[name] = rule.type.change(documentOf(name, rule.type, shown), String(text), authorOf(operation))
  }
  return changes
}

/** What an operation carries, for a person: of an edit the texts as its writer left them. */
export function writtenFields(
  collection: Collection | undefined,
  { kind, fields, was }: Pick<Operation, 'kind' | 'fields' | 'was'>,
): JsonObject {
  if (kind !== 'edit') return fields
  return ofShared(collection, fields, (name, type, change) => type.written(String(was[name] ?? ''), change))
}

/** The texts that an edit makes of what is shown now. */
export function editedTexts(
  collection: Collection,
  shown: RecordValues | null,
  { kind, fields, was }: Pick<Operation, 'kind' | 'fields' | 'was'>,
): JsonObject {
  const now = shown && fold(collection, shown, { kind, fields }, shown.updatedAt)
  return ofShared(collection, fields, (name, type, change) =>
    String(now?.fields[name] ?? type.written(String(was[name] ?? ''), change)),
  )
}

function ofShared(
  collection: Collection | undefined,
  fields: JsonObject,
  textOf: (name: string, type: SharedTextType, change: string) => string,
): JsonObject {
  const texts: Record<string, Json> = {}
  for (const [name, change] of Object.entries(fields)) {
    const rule = collection?.fields[name]?.rule
    texts[name] = rule?.kind === 'shared' ? textOf(name, rule.type, String(change)) : change
  }
  return texts
}

export function documentOf(name: string, type: SharedTextType, shown: RecordValues): string {
  return shown.documents?.[name] ?? type.documentOf(String(shown.fields[name] ?? ''))
}

/** Null: it changes nothing. */
function intentOfField(kind: CheckedDraft['draft']['kind'], value: Json, shown: Json): { readonly value: Json } | null {
  switch (kind) {
    case 'increment':
      return value === 0 ? null : { value }
    case 'add':
    case 'remove': {
      const present = new Set(textsOf(shown))
      const texts = textsOf(value).filter((text) => present.has(text) === (kind === 'remove'))
      return texts.length === 0 ? null : { value: texts }
    }
    default:
      return sameJson(value, shown) ? null : { value }
  }
}

/**
 * The author of a shared text's change is its operation, not its device: when an operation is refused, the device's next change would
 * count its characters from the same number, and where both come together in the end (the refused one is sent again) the text would
 * take the second for the first. FNV-1a of the id, from 2 to 2^32 − 1.
 */
export function authorOf(id: OperationId): number {
  let hash = 0x811c9dc5
  for (const character of id) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193)
  return 2 + ((hash >>> 0) % (2 ** 32 - 2))
}
