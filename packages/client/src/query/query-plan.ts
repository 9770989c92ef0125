/** What can be read off a query without running it: the tables that it reads, and which of its columns are not plain values. */
import { type Collection, documentColumn, type Schema } from '@holdfast/core'
import {
  AliasNode,
  ColumnNode,
  IdentifierNode,
  type OperationNode,
  ParensNode,
  RawNode,
  ReferenceNode,
  SelectAllNode,
  SelectQueryNode,
  TableNode,
} from 'kysely'

/** How the text of a column becomes a value; what is not named here is passed on as it is. 'hidden' is the engine's own. */
export type ColumnKind = 'plain' | 'boolean' | 'json' | 'hidden'
export type ColumnKinds = ReadonlyMap<string, ColumnKind>

/**
 * The collections that a query reads, wherever it names them. In fragments of raw SQL a word that is the name of a collection counts:
 * a table too many costs a run of the query, one too few an answer that is never refreshed.
 */
export function tablesRead(schema: Schema, query: OperationNode): readonly string[] {
  const names = new Set<string>()
  visit(query, (node) => {
    if (TableNode.is(node)) names.add(node.table.identifier.name)
    if (RawNode.is(node)) for (const fragment of node.sqlFragments) addWords(names, fragment)
  })
  return Object.keys(schema.collections).filter((name) => names.has(name) || names.has(`_search_${name}`))
}

/** The kinds of the columns that a query answers, by the names under which it answers them. */
export function columnKinds(schema: Schema, query: OperationNode): ColumnKinds {
  return SelectQueryNode.is(query) ? kindsOfSelect(schema, query, new Map()) : new Map()
}

/** Common table expressions by name. */
type Named = ReadonlyMap<string, ColumnKinds>

interface Source {
  readonly alias: string | null
  readonly kinds: ColumnKinds
}

function kindsOfSelect(schema: Schema, select: SelectQueryNode, outer: Named): ColumnKinds {
  const named = new Map(outer)
  for (const { name, expression } of select.with?.expressions ?? []) {
    if (SelectQueryNode.is(expression)) {
      named.set(name.table.table.identifier.name, kindsOfSelect(schema, expression, named))
    }
  }
  const tables = [...(select.from?.froms ?? []), ...(select.joins ?? []).map((join) => join.table)]
  const sources = tables.map((table) => sourceOf(schema, table, named))
  const kinds = new Map<string, ColumnKind>()
  for (const { selection } of select.selections ?? []) addSelection(kinds, sources, selection)
  return kinds
}

function sourceOf(schema: Schema, node: OperationNode, named: Named): Source {
  if (AliasNode.is(node)) {
    const alias = IdentifierNode.is(node.alias) ? node.alias.name : null
    return { alias, kinds: sourceOf(schema, node.node, named).kinds }
  }
  if (ParensNode.is(node)) return sourceOf(schema, node.node, named)
  if (SelectQueryNode.is(node)) return { alias: null, kinds: kindsOfSelect(schema, node, named) }
  if (!TableNode.is(node)) return { alias: null, kinds: new Map() }
  const { name } = node.table.identifier
  const collection = Object.hasOwn(schema.collections, name) ? schema.collections[name] : undefined
  return { alias: name, kinds: named.get(name) ?? (collection === undefined ? new Map() : kindsOfTable(collection)) }
}

/** The kinds of a collection's own columns. */
export function kindsOfTable(collection: Collection): ColumnKinds {
  const kinds = new Map<string, ColumnKind>([
    ['$version', 'hidden'],
    ['$pending', 'json'],
  ])
  for (const [name, { rule }] of Object.entries(collection.fields)) {
    if (rule.kind === 'boolean' || rule.kind === 'json') kinds.set(name, rule.kind)
    else if (rule.kind === 'set') kinds.set(name, 'json')
    else if (rule.kind === 'shared') kinds.set(documentColumn(name), 'hidden')
  }
  return kinds
}

function addSelection(kinds: Map<string, ColumnKind>, sources: readonly Source[], node: OperationNode): void {
  if (SelectAllNode.is(node)) {
    for (const source of sources) for (const [name, kind] of source.kinds) kinds.set(name, kind)
  } else if (AliasNode.is(node)) {
    const kind = kindOf(sources, node.node)
    if (kind !== null && IdentifierNode.is(node.alias)) kinds.set(node.alias.name, kind)
  } else if (ReferenceNode.is(node) && SelectAllNode.is(node.column)) {
    const table = node.table?.table.identifier.name
    for (const source of sources) {
      if (source.alias === table) for (const [name, kind] of source.kinds) kinds.set(name, kind)
    }
  } else {
    const kind = kindOf(sources, node)
    const name = columnName(node)
    if (kind !== null && name !== null) kinds.set(name, kind)
  }
}

/** The kind of an expression that is a column; null for any other, whose value is passed on as it is. */
function kindOf(sources: readonly Source[], node: OperationNode): ColumnKind | null {
  const column = columnName(node)
  if (column === null) return null
  const table = ReferenceNode.is(node) ? node.table?.table.identifier.name : undefined
  const source = sources.find(({ alias, kinds }) => (table === undefined ? kinds.has(column) : alias === table))
  return source?.kinds.get(column) ?? null
}

function columnName(node: OperationNode): string | null {
  if (ColumnNode.is(node)) return node.column.name
  return ReferenceNode.is(node) && ColumnNode.is(node.column) ? node.column.column.name : null
}

function addWords(names: Set<string>, fragment: string): void {
  for (const [word] of fragment.matchAll(/\w+/g)) names.add(word)
}

/** Values are not looked into: they may be anything that an app passed. */
function visit(node: OperationNode, look: (node: OperationNode) => void): void {
  look(node)
  if (node.kind === 'ValueNode' || node.kind === 'PrimitiveValueListNode') return
  for (const member of Object.values(node)) {
    for (const child of Array.isArray(member) ? member : [member]) if (isNode(child)) visit(child, look)
  }
}

function isNode(value: unknown): value is OperationNode {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
}
