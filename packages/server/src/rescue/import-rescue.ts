/**
 * A rescue file through the ordinary judge: its operations under their own ids, as if their device had sent them.
 *
 * RI1  [I-5] What had arrived gets the outcome that it got then, and has no further effect; so has a file that comes twice.
 * RI2  App transactions take effect whole or not at all. One of which the file holds a part is refused, and nothing is stored of it.
 * RI3  [I-26] A file is judged by the rights of the user whose it is, whoever brings it.
 * RI4  [I-21] Operations are dated by what the file says of its device's clock, and none beyond now.
 * RI5  What hangs on what waits, waits, and what hangs on a refused creation is blocked by it, however long the file is.
 */
import {
  type AgreedClock,
  batchOperationsMax,
  EngineError,
  type Outcome,
  parseJson,
  parseOutcome,
  parseRescue,
  type RescueFile,
  type SentOperation,
} from '@holdfast/core'
import type { Scope } from '../ports/server-store.ts'
import { noAftermath } from '../push/aftermath.ts'
import type { Unit } from '../push/units.ts'
import type { User } from '../scope/user.ts'
import type { RoundPorts } from '../sync-round.ts'

/** What became of one operation of a rescue file. */
export interface RescueOutcome {
  readonly operation: string
  readonly collection: string
  readonly record: string
  readonly kind: string
  /** As the protocol says it; `waiting`: the server could not judge it, and nothing is stored of it. Bring the file again later. */
  readonly outcome: Outcome | { readonly kind: 'waiting' }
}

export interface RescueReport {
  readonly user: string
  /** In the order of the file. */
  readonly outcomes: readonly RescueOutcome[]
  /** For the log: why some of them wait. */
  readonly faults: readonly unknown[]
}

export interface RescueImport {
  readonly file: RescueFile
  /** The user whose file it is, with what that user holds. */
  readonly owner: { readonly user: User; readonly scopes: readonly Scope[] }
}

/** Parses a file; MALFORMED, TOO_LARGE or USER_MISMATCH refuse it whole. */
export function parseRescueFile(body: unknown): RescueFile {
  try {
    return parseRescue(body)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new EngineError('MALFORMED', 'The rescue file is nested too deep.', { cause: error })
  }
}

/** Takes a file's operations in. Throws EngineError for what concerns the file as a whole. */
export async function importRescue(ports: RoundPorts, { file, owner }: RescueImport): Promise<RescueReport> {
  if (owner.user.userId !== file.user) {
    throw new EngineError('USER_MISMATCH', 'The rescue file belongs to another user.')
  }
  const { schema, rules, standings, committer, system } = ports
  const { whole, torn } = unitsIn(file)
  const found = new Map<string, Outcome>(torn.map(({ operation: { id } }) => [id, { ...incomplete, id }]))
  const faults: unknown[] = []
  const { generation, bornMs } = await standings.now()
  const bench = {
    schema,
    rules,
    generation,
    bornMs,
    user: owner.user,
    scopes: new Set(owner.scopes),
    clock: clockOf(file),
    serverNowMs: system.nowMs(),
  }
  let earlier = noAftermath
  for (const units of batchesOf(whole)) {
    // The device itself wants to be told of the commit as well: it has not seen these answers.
    const result = await committer.push({ bench, units, device: null, report: null, earlier })
    for (const [id, text] of result.outcomes) found.set(id, parseOutcome(parseJson(text, 'An outcome')))
    faults.push(...result.faults)
    earlier = result.left
  }
  const outcomes = file.items.map(({ operation: { operation } }): RescueOutcome => {
    const { id, collection, record, kind } = operation
    return { operation: id, collection, record, kind, outcome: found.get(id) ?? { kind: 'waiting' } }
  })
  return { user: file.user, outcomes, faults }
}

/** What the device knew: how old the file is cannot be said, so that nothing can be compared with the server's clock. */
function clockOf({ clock }: RescueFile): AgreedClock {
  if (clock === null) return clockOfNobody
  const { epoch, offsetMs, earlier } = clock
  return { epoch, offsetMs, guessedFrom: null, earlier, missedMs: 0 }
}

/** Times are taken as they are, and none beyond now. */
const clockOfNobody: AgreedClock = { epoch: -1, offsetMs: 0, guessedFrom: null, earlier: [], missedMs: 0 }

const incomplete = {
  kind: 'rejected',
  code: 'TRANSACTION_INCOMPLETE',
  field: null,
  problem: 'The file holds a part of an app transaction.',
} as const

/** The app transactions of a file, in the order in which each begins. */
function unitsIn({ items }: RescueFile): { readonly whole: readonly Unit[]; readonly torn: readonly SentOperation[] } {
  const sent = items.map(({ operation }) => operation)
  const units = [...Map.groupBy(sent, ({ operation }) => operation.tx.id).values()]
  const ordered = units.map((unit) => unit.toSorted((a, b) => a.operation.tx.index - b.operation.tx.index))
  const isWhole = (unit: Unit) =>
    unit.every(
      ({ operation: { tx } }, index) =>
        tx.index === index && tx.count === unit.length && tx.count === unit[0]?.operation.tx.count,
    )
  return { whole: ordered.filter(isWhole), torn: ordered.filter((unit) => !isWhole(unit)).flat() }
}

/** Of the size of a device's own batches. */
function batchesOf(units: readonly Unit[]): readonly (readonly Unit[])[] {
  const batches: Unit[][] = []
  let count = Number.POSITIVE_INFINITY
  for (const unit of units) {
    if (count + unit.length > batchOperationsMax) {
      batches.push([])
      count = 0
    }
    batches.at(-1)?.push(unit)
    count += unit.length
  }
  return batches
}
