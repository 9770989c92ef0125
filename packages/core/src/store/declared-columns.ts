/**
 * What our own `create table` statements declare, so that a database which another version has made is told from one that is whole:
 * `create table if not exists` says nothing of a table that lacks a column.
 */

export interface DeclaredTable {
  readonly name: string
  readonly columns: readonly DeclaredColumn[]
}

export interface DeclaredColumn {
  readonly name: string
  /** As `alter table … add column` takes it. */
  readonly definition: string
  /** Whether rows that are there already can do without a value of their own. */
  readonly isAddable: boolean
}

/** Null for a statement that makes no table. */
export function declaredTable(sql: string): DeclaredTable | null {
  const plain = sql.replaceAll(/--[^\n]*/g, '')
  const head = /^\s*create table (?:if not exists )?"?([^\s"(]+)"?\s*\(/.exec(plain)
  if (head?.[1] === undefined) return null
  return { name: head[1], columns: partsOf(plain.slice(head[0].length)).flatMap(columnOf) }
}

/** What stands between the commas up to the bracket that ends the table. */
function partsOf(text: string): readonly string[] {
  const parts: string[] = ['']
  let depth = 0
  let isQuoted = false
  for (const character of text) {
    if (character === "'") isQuoted = !isQuoted
    if (!isQuoted && character === ')' && depth === 0) break
    if (!isQuoted && character === '(') depth += 1
    if (!isQuoted && character === ')') depth -= 1
    if (!isQuoted && character === ',' && depth === 0) parts.push('')
    else parts.push(`${parts.pop()}${character}`)
  }
  return parts
}

function columnOf(part: string): readonly DeclaredColumn[] {
  const definition = part.trim()
  const name = /^(?:"([^"]+)"|([a-z_]\w*))\s/i.exec(definition)
  if (name === null || /^(primary key|unique|check|foreign key|constraint)\b/i.test(definition)) return []
  const isKey = /\b(primary key|unique)\b/i.test(definition)
  const needsValue = /\bnot null\b/i.test(definition) && !/\bdefault\b/i.test(definition)
  return [{ name: name[1] ?? name[2] ?? '', definition, isAddable: !isKey && !needsValue }]
}
