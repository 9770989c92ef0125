/**
 * Collections of the engine's own: open conflicts and recorded decisions. To both stores, the feed and the pages they are like any
 * other; only the server writes them, in the transaction of the effect, and no app can name them.
 */
import { type Collection, collection } from './collection.ts'
import { t } from './field.ts'
import type { Schema } from './schema.ts'

export const conflictsCollection = '_conflicts'
export const decisionsCollection = '_decisions'

const author = { user: t.text(), device: t.text(), at: t.instant(), correctedAt: t.instant() }

/** What both are about. `subject` is `subjectOf(collection, record)`: what they are looked up by. */
const common = {
  subject: t.text({ max: 128 }),
  collection: t.text({ max: 63 }),
  record: t.text({ max: 64 }),
  /** '' : the record as a whole. */
  field: t.text({ max: 63 }),
  base: t.json({ optional: true }),
  local: t.json({ optional: true }),
  remote: t.json({ optional: true }),
  localUser: author.user,
  localDevice: author.device,
  localAt: author.at,
  localCorrectedAt: author.correctedAt,
  remoteUser: author.user,
  remoteDevice: author.device,
  remoteAt: author.at,
  remoteCorrectedAt: author.correctedAt,
}

export const systemCollections = {
  [conflictsCollection]: collection({
    fields: {
      ...common,
      revision: t.integer(),
      /** The record's version with `remote`. */
      version: t.integer(),
    },
    indexes: [['subject']],
  }),
  [decisionsCollection]: collection({
    fields: {
      ...common,
      /** The record's version with the decision, and the operation that met it. */
      version: t.integer(),
      operation: t.text(),
      strategy: t.text(),
      winner: t.enum(['local', 'remote', 'merged']),
      /** What stands when it is neither side: see `resultOf`. */
      result: t.json({ optional: true }),
      /** The person who settled it; null: the strategy did. */
      settledUser: t.text({ optional: true }),
      settledDevice: t.text({ optional: true }),
      settledAt: t.instant({ optional: true }),
      settledCorrectedAt: t.instant({ optional: true }),
    },
    indexes: [['subject', 'createdAt']],
  }),
}

/** The schema with the engine's own collections: what stores keep and pages carry. */
export function withSystemCollections(schema: Schema): Schema {
  return { ...schema, collections: { ...schema.collections, ...systemCollections } }
}

export function isSystemCollection(name: string): boolean {
  return Object.hasOwn(systemCollections, name)
}

export function subjectOf(collectionName: string, record: string): string {
  return `${collectionName} ${record}`
}

export type ConflictFields = Fields<typeof conflictsCollection>
export type DecisionFields = Fields<typeof decisionsCollection>
type Fields<K extends keyof typeof systemCollections> =
  (typeof systemCollections)[K] extends Collection<infer F> ? F : never
