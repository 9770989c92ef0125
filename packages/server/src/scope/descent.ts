/** How the collections of a schema hang together by `scope: { via }`: whose records lie where those of another lie. */
import { collectionOf, type Schema } from '@holdfast/core'

export interface Descent {
  /** Every collection, children before their parents: the order in which records are locked, so that nobody waits in a circle. */
  readonly childrenFirst: readonly string[]
  /** By collection: those whose records lie where its own lie. */
  readonly children: ReadonlyMap<string, readonly string[]>
}

export function descentOf(schema: Schema): Descent {
  const descent = known.get(schema) ?? makeDescent(schema)
  known.set(schema, descent)
  return descent
}

/** Asked for every batch, and always the same. */
const known = new WeakMap<Schema, Descent>()

function makeDescent(schema: Schema): Descent {
  const names = Object.keys(schema.collections).sort()
  const parents = new Map(names.map((name) => [name, parentsAbove(schema, name)]))
  const children = new Map<string, string[]>()
  for (const name of names) {
    const { scope } = collectionOf(schema, name)
    if (scope.kind === 'via') children.set(scope.parent, [...(children.get(scope.parent) ?? []), name])
  }
  const above = (name: string): number => parents.get(name) ?? 0
  return { childrenFirst: names.sort((a, b) => above(b) - above(a)), children }
}

function parentsAbove(schema: Schema, name: string): number {
  const { scope } = collectionOf(schema, name)
  return scope.kind === 'via' ? 1 + parentsAbove(schema, scope.parent) : 0
}
