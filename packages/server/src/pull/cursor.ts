/**
 * The cursor: up to where a device has each of its scopes. Opaque to the device, and small: every round carries it.
 *
 *   <generation>.<day>.<scope place-seq>.<scope place-seq>…[.~.<scope place-seq>…][.:<seen>].<signature>
 *
 * CU1  Only cursors that this database signed are read. Any other is CURSOR_TOO_OLD: the device pulls anew. Of a life that is not known
 *      the key is not either: GENERATION_CHANGED.
 * CU2  Scopes are named by a keyed hash: a cursor tells nobody what somebody may see, and 100 scopes fit into a request.
 * CU3  A scope without a position starts at the beginning, alone. `seen` (what the store has sent beyond the positions) is said of the
 *      scopes that the cursor has, so it goes with the first that it does not have.
 * CU4  A position ahead of the head proves that the database was set back.
 * CU5  A scope of the cursor that the user does not hold any more is leaving: it stays in the cursor, behind `~`, with the place up to which
 *      the device was told what leaves, until all is told. One that is granted again meanwhile starts at its beginning. One that the feed
 *      has no entry of may be dropped: nothing of it is on the device.
 * CU6  A cursor with more scopes, held and leaving ones together, than a user may hold is CURSOR_TOO_OLD: to pull anew costs less.
 * CU7  [I-24] The day is that of the last complete pull, of a pull that is not complete that of its beginning. Before the day from which on
 *      nothing is forgotten it is CURSOR_TOO_OLD. Who begins is never too old, whatever the clock of the server showed once.
 * CU8  [I-9] A cursor of an earlier life, with every position in what both lives have, is told its equal in this one; one with a position
 *      beyond that has none. `seen` lies beyond the positions, so a cursor with it has none either.
 * CU9  [I-22] A cursor is its user's: that of somebody else is none of ours. Those in the parts of a snapshot are of everybody, since one
 *      snapshot is for all who hold its scopes.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { type EngineError, type Generation, RestartError, type UserId } from '@holdfast/core'
import type { PageRequest, Scope, ScopePosition, Standing } from '../ports/server-store.ts'
import { scopesMax } from '../scope/scopes.ts'
import { scopeNames } from './scope-names.ts'

export interface CursorCodec {
  /**
   * The place of the scopes that the user holds, by a cursor; null: all at the beginning. Throws a RestartError for one that leads nowhere,
   * and SetBack for one that is ahead of the head.
   */
  read(cursor: string | null, held: readonly Scope[], now: CursorNow): Promise<PullPlace>
  write(place: PullPlace): string
}

/** What a cursor is judged by. */
export interface CursorNow extends Pick<Standing, 'ancestors' | 'prunedDay'> {
  /** The last commit that there is. */
  readonly head: number
  /** Days since 1970, by the server's clock. */
  readonly day: number
  /** How long what was sent is remembered, in milliseconds: for a device that comes too late. */
  readonly retentionMs: number
  /** For a device that has to start over, in milliseconds since 1970. */
  readonly serverTimeMs: number
  /** Every scope with an entry of the feed. Asked only where the cursor has one that the user does not hold and this process has not met. */
  scopes(): Promise<readonly Scope[]>
}

/** Up to where a device has its scopes, and since when. */
export interface PullPlace extends Pick<PageRequest, 'positions' | 'leaving' | 'seen'> {
  /** Days since 1970; see CU7. */
  readonly day: number
}

/** The cursor is ahead of the head: this database was set back, and nobody has said so (CU4). */
export class SetBack extends Error {
  override readonly name = 'SetBack'
}

/** @param user whose cursors are written, and read; null: everybody's. */
export function createCursorCodec(generation: Generation, secret: string, user: UserId | null): CursorCodec {
  const { nameOf, scopeOf } = scopeNames(secret)

  /** The scopes that the cursor has and the user does not hold, by the names in which it has them. */
  const leavingOf = async (
    places: Places,
    held: readonly Scope[],
    now: CursorNow,
  ): Promise<readonly ScopePosition[]> => {
    const gone = new Map([...[...places.had.keys()].map((name) => [name, start] as const), ...places.leaving])
    for (const scope of held) gone.delete(nameOf(scope))
    if (gone.size === 0) return []
    if (gone.size + held.length > scopesMax) {
      throw tooOld('The device has more scopes to lose and to get than one pull can tell.', now)
    }
    const met = [...gone.keys()].flatMap((name) => scopeOf(name) ?? [])
    const found = met.length === gone.size ? met : await now.scopes()
    return found.flatMap((scope) => {
      const told = gone.get(nameOf(scope))
      return told === undefined ? [] : [{ scope, ...told }]
    })
  }

  return {
    read: async (cursor, held, now) => {
      const places =
        cursor === null
          ? { ...nowhere, day: Math.max(now.day, now.prunedDay) }
          : parseCursor(cursor, { generation, secret, user, now })
      if (last(places) > now.head) throw new SetBack('A cursor of this life is ahead of the head.')
      if (places.day < now.prunedDay)
        throw tooOld('The device has not pulled for longer than the server remembers.', now)
      let isKnown = true
      const positions = held.map((scope): ScopePosition => {
        const known = places.had.get(nameOf(scope))
        if (known === undefined) isKnown = false
        return { scope, ...(known ?? start) }
      })
      const leaving = await leavingOf(places, held, now)
      return { positions, leaving, seen: isKnown ? places.seen : null, day: places.day }
    },

    write: ({ positions, leaving, seen, day }) => {
      const entryOf = ({ scope, place, seq }: ScopePosition) =>
        `${nameOf(scope)}${place.toString(36)}-${seq.toString(36)}`
      const body = [
        generation,
        day.toString(36),
        ...positions.map(entryOf),
        ...(leaving.length === 0 ? [] : [leavingMark, ...leaving.map(entryOf)]),
        ...(seen === null ? [] : [`${seenMark}${seen}`]),
      ].join('.')
      return signed(secret, user, body)
    },
  }
}

type Place = Pick<ScopePosition, 'place' | 'seq'>

/** By name of the scope. */
interface Places {
  readonly had: ReadonlyMap<string, Place>
  readonly leaving: ReadonlyMap<string, Place>
  readonly seen: string | null
  readonly day: number
}

const start: Place = { place: 0, seq: 0 }
const nowhere: Omit<Places, 'day'> = { had: new Map(), leaving: new Map(), seen: null }
/** What no entry begins with. */
const seenMark = ':'
const leavingMark = '~'

/** The last commit that a cursor names. */
function last({ had, leaving }: Places): number {
  return [...had.values(), ...leaving.values()].reduce((max, { place }) => Math.max(max, place), 0)
}

const entryPattern = /^([\w-]{8})([0-9a-z]+)-([0-9a-z]+)$/

interface Judge {
  readonly generation: Generation
  readonly secret: string
  readonly user: UserId | null
  readonly now: CursorNow
}

function parseCursor(cursor: string, { generation, secret, user, now }: Judge): Places {
  const [ofGeneration = '', ...rest] = cursor.split('.')
  const isOfAnother = /^[0-9a-z]{4,32}$/.test(ofGeneration) && ofGeneration !== generation
  const common = isOfAnother ? now.ancestors.get(ofGeneration) : undefined
  if (isOfAnother && common === undefined) throw another({ generation, fork: 0, cursor: null }, now)
  const signature = rest.pop() ?? ''
  const found = [ofGeneration, ...rest].join('.')
  const isSigned = [user, null].some((owner) => isEqual(signature, signatureOf(secret, owner, found)))
  if (!isSigned && common !== undefined) throw another({ generation, fork: common, cursor: null }, now)
  if (!isSigned) throw broken(now)
  const places = parsePlaces(rest, now)
  if (common === undefined) return places
  const isShared = places.seen === null && last(places) <= common
  const body = [generation, ...rest].join('.')
  throw another({ generation, fork: common, cursor: isShared ? signed(secret, user, body) : null }, now)
}

function parsePlaces([day = '', ...rest]: readonly string[], now: CursorNow): Places {
  if (!/^[0-9a-z]+$/.test(day)) throw broken(now)
  const seen = rest.at(-1)?.startsWith(seenMark) ? rest.pop() : undefined
  const entriesOf = (texts: readonly string[]) => new Map(texts.map((text) => parseEntry(text, now)))
  const end = rest.indexOf(leavingMark)
  return {
    day: Number.parseInt(day, 36),
    had: entriesOf(end < 0 ? rest : rest.slice(0, end)),
    leaving: entriesOf(end < 0 ? [] : rest.slice(end + 1)),
    seen: seen?.slice(seenMark.length) ?? null,
  }
}

function parseEntry(text: string, now: CursorNow): readonly [string, Place] {
  const [, name, place, seq] = entryPattern.exec(text) ?? []
  if (name === undefined || place === undefined || seq === undefined) throw broken(now)
  return [name, { place: Number.parseInt(place, 36), seq: Number.parseInt(seq, 36) }]
}

function signed(secret: string, user: UserId | null, body: string): string {
  return `${body}.${signatureOf(secret, user, body)}`
}

function signatureOf(secret: string, user: UserId | null, body: string): string {
  return sign(secret, JSON.stringify([user, body]))
}

/** 96 bits of HMAC-SHA-256: what no one guesses over a network, in 16 characters. */
function sign(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url').slice(0, 16)
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function broken(now: CursorNow): EngineError {
  return tooOld('The cursor of the device is not one that this server wrote.', now)
}

function tooOld(problem: string, { retentionMs, serverTimeMs }: CursorNow): EngineError {
  return new RestartError({ kind: 'tooOld', retentionMs, serverTimeMs }, problem)
}

function another(
  life: { readonly generation: Generation; readonly fork: number; readonly cursor: string | null },
  { retentionMs, serverTimeMs }: CursorNow,
): EngineError {
  const restart = { kind: 'generation', ...life, retentionMs, serverTimeMs } as const
  return new RestartError(restart, 'The cursor belongs to another life of the database.')
}
