/**
 * What can still be read in a broken database of what is nowhere else: operations that were written in the moment before it broke
 * may not be in the second copy yet, the copy may not know what became of those that it has, and what has settled and the settings
 * are in no copy. A part
 * that cannot be read costs only itself.
 */
import {
  type Generation,
  type OperationId,
  type Outcome,
  parseGeneration,
  parseJson,
  parseOperationId,
  parseOutcome,
} from '@holdfast/core'
import type { OpenDriver } from '../ports/open-driver.ts'
import type { KeptOperation } from '../ports/queue-copy.ts'
import type { SqliteDriver, SqliteRow } from '../ports/sqlite-driver.ts'
import type { Salvaged, SalvagedOperation } from '../store/store.ts'
import { parseKeptOperations } from './parse-kept.ts'
import { lastText, readTable, type Table } from './read-table.ts'

export interface SalvagedDatabase extends Salvaged {
  /** What waits, and what was refused. */
  readonly queue: readonly KeptOperation[]
}

const nothing: SalvagedDatabase = {
  queue: [],
  over: new Map(),
  settled: [],
  generation: null,
  settings: { values: new Map(), areWhole: false },
}

export async function salvage(openDriver: OpenDriver): Promise<SalvagedDatabase> {
  let driver: SqliteDriver
  try {
    driver = await openDriver()
  } catch {
    return nothing
  }
  const read = (table: Table) => readTable(driver, table)
  const queue = [read(waiting), read(refused)].flatMap(({ rows }) => rows.map(asKept))
  const over = [read(acknowledged), read(settled), read(discarded)].flatMap(({ rows }) => rows.flatMap(asOver))
  const texts = [read(acknowledgedTexts), read(settledTexts)].flatMap(({ rows }) => rows.flatMap(asSettled))
  const generations = read(generation).rows.flatMap(asGeneration)
  const settings = read(keys)
  try {
    driver.close()
  } catch {
    // It is set aside in any case.
  }
  return {
    queue: parseKeptOperations(queue).filter(isJson),
    over: new Map(over),
    settled: texts,
    generation: generations[0] ?? null,
    settings: {
      values: new Map(settings.rows.map(([key, value]) => [String(key), String(value)])),
      areWhole: settings.error === null,
    },
  }
}

/** Of a database that was made in place of another one and broke before it was in use: what either gives, the later one first. */
export function salvagedTogether(before: SalvagedDatabase, after: SalvagedDatabase): SalvagedDatabase {
  const known = new Set(after.queue.map(({ id }) => id))
  return {
    queue: [...before.queue.filter(({ id }) => !known.has(id)), ...after.queue],
    over: new Map([...before.over, ...after.over]),
    settled: [...new Map([...before.settled, ...after.settled].map((one) => [one.id, one])).values()],
    generation: after.generation ?? before.generation,
    settings: {
      values: new Map([...before.settings.values, ...after.settings.values]),
      areWhole: before.settings.areWhole && after.settings.areWhole,
    },
  }
}

function asKept([seq, id, text, code, field, problem, refusedAt]: SqliteRow): object {
  return { seq, id, text, refused: code === null ? null : { code, field, problem, refusedAt } }
}

function asOver([, id, outcome]: SqliteRow): readonly (readonly [OperationId, Outcome])[] {
  try {
    return [[parseOperationId(id), parseOutcome(parseJson(String(outcome), 'a kept outcome'))]]
  } catch {
    return []
  }
}

function asSettled([seq, id, text, settledAt, purged]: SqliteRow): readonly SalvagedOperation[] {
  try {
    const settledAtMs = settledAt === null ? null : Number(settledAt)
    return [{ seq: Number(seq), id: parseOperationId(id), text: String(text), settledAtMs, isPurged: purged === 1 }]
  } catch {
    return []
  }
}

function asGeneration([, text]: SqliteRow): readonly Generation[] {
  try {
    return [parseGeneration(parseJson(String(text), 'a generation'))]
  } catch {
    return []
  }
}

function isJson({ text }: KeptOperation): boolean {
  try {
    parseJson(text, 'an operation')
    return true
  } catch {
    return false
  }
}

function numbered(sql: string): Table {
  return { sql, key: 'seq', from: 0, to: Number.MAX_SAFE_INTEGER }
}

const waiting = numbered(`select seq, id, operation, null, null, null, null from _outbox where state <> 'acknowledged'`)
const refused = numbered(
  `select seq, id, operation, code, field, problem, "refusedAt" from _inbox where "discardedAt" is null`,
)
const acknowledged = numbered(`select seq, id, outcome from _outbox where state = 'acknowledged'`)
const settled = numbered('select seq, id, outcome from _settled where true')
// Apart: a text that cannot be read must not cost what is known of the others.
const acknowledgedTexts = numbered(`select seq, id, operation, null, 0 from _outbox where state = 'acknowledged'`)
const settledTexts = numbered(`select seq, id, operation, "settledAt", purged from _settled
where outcome ->> 'kind' <> 'rejected'`)
const generation: Table = {
  sql: `select key, value from _meta where key = 'generation'`,
  key: 'key',
  from: '',
  to: lastText,
}
const discarded = numbered(`select seq, id,
json_object('kind', 'rejected', 'id', id, 'code', code, 'field', field, 'problem', problem)
from _inbox where "discardedAt" is not null`)
const keys: Table = { sql: 'select key, value from _kv where true', key: 'key', from: '', to: lastText }
