/**
 * The cursor: up to where a device has each of its scopes. Opaque to the device, and small: every round carries it.
 *
 *   <generation>.<scope place-seq>.<scope place-seq>…[.~<scope place-seq-place-seq>…][.:<seen>].<signature>
 *
 * CU1  Only cursors that this database signed are read. Any other is CURSOR_TOO_OLD: the device pauses and keeps everything, since
 *      sent again it would fail again. In the generation a changed byte is GENERATION_CHANGED, which is also the answer to a cursor
 *      of another life of the database, whose key is not known.
 * CU2  Scopes are named by a keyed hash: a cursor tells nobody what somebody may see, and 100 scopes fit into a request.
 * CU3  A scope without a position starts at the beginning, alone. `seen` (what the store has sent beyond the positions) is said of the
 *      scopes that the cursor has, so it goes with the first that it does not have.
 * CU4  A position ahead of the head proves that the database was set back: GENERATION_CHANGED.
 * CU5  A scope of the cursor that the user does not hold any more is leaving: it stays in the cursor, from the page on that has told some
 *      of its marks with `~` and the place up to which they are told, until all are told. One that is granted again before that starts
 *      at its beginning. One that the feed has no entry of is dropped: nothing of it is on the device.
 * CU6  A cursor with more scopes, held and leaving ones together, than a user may hold is CURSOR_TOO_OLD: to pull anew costs less.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { EngineError, type Generation } from '@holdfast/core'
import type { LeavingScope, PageRequest, Scope, ScopePosition } from '../ports/server-store.ts'
import { scopesMax } from '../scope/scopes.ts'

export interface CursorCodec {
  /** The place of the scopes that the user holds, by a cursor; null: all at the beginning. */
  read(cursor: string | null, held: readonly Scope[], feed: FeedNow): Promise<PullPlace>
  write(place: PullPlace): string
}

/** What reading a cursor asks of the feed. */
export interface FeedNow {
  /** The last commit that there is. */
  readonly head: number
  /** Every scope with an entry. Asked only where the cursor has a scope that the user does not hold. */
  scopes(): Promise<readonly Scope[]>
}

/** Up to where a device has its scopes. */
export type PullPlace = Pick<PageRequest, 'positions' | 'leaving' | 'seen'>

/** For one round: each name is made once for the cursor that came and the one that goes. */
export function createCursorCodec(generation: Generation, secret: string): CursorCodec {
  const names = new Map<Scope, string>()
  const nameOf = (scope: Scope): string => {
    const known = names.get(scope)
    if (known !== undefined) return known
    const name = sign(secret, `scope ${scope}`).slice(0, nameLength)
    names.set(scope, name)
    return name
  }

  /** The scopes that the cursor has and the user does not hold, by the names in which it has them. */
  const leavingOf = async (places: Places, held: readonly Scope[], feed: FeedNow): Promise<readonly LeavingScope[]> => {
    const heldNames = new Set(held.map(nameOf))
    const gone = new Map(
      [...places.had, ...places.leaving].flatMap(([name, { had, at }]) =>
        heldNames.has(name) ? [] : [[name, { had, at }] as const],
      ),
    )
    if (gone.size === 0) return []
    if (gone.size + held.length > scopesMax) {
      throw new EngineError('CURSOR_TOO_OLD', 'The device has more scopes to lose and to get than one pull can tell.')
    }
    return (await feed.scopes()).flatMap((scope) => {
      const known = gone.get(nameOf(scope))
      return known === undefined ? [] : [{ scope, had: known.had, ...known.at }]
    })
  }

  return {
    read: async (cursor, held, feed) => {
      const places = cursor === null ? nowhere : parseCursor(cursor, generation, secret)
      refuseBeyond(feed.head, places)
      let isKnown = true
      const positions = held.map((scope): ScopePosition => {
        const known = places.had.get(nameOf(scope))
        if (known === undefined) isKnown = false
        return { scope, ...(known?.had ?? start) }
      })
      return { positions, leaving: await leavingOf(places, held, feed), seen: isKnown ? places.seen : null }
    },

    write: ({ positions, leaving, seen }) => {
      const body = [
        generation,
        ...positions.map((position) => `${nameOf(position.scope)}${textOf(position)}`),
        ...leaving.map(({ scope, had, ...at }) =>
          isStart(at) ? `${nameOf(scope)}${textOf(had)}` : `${leavingMark}${nameOf(scope)}${textOf(had)}-${textOf(at)}`,
        ),
        ...(seen === null ? [] : [`${seenMark}${seen}`]),
      ].join('.')
      return `${body}.${sign(secret, body)}`
    },
  }
}

type Place = LeavingScope['had']

/** Up to where the device has a scope, and up to where it was told what leaves it with that scope. */
interface Had {
  readonly had: Place
  readonly at: Place
}

interface Places {
  /** By name. Those that are not held are leaving. */
  readonly had: ReadonlyMap<string, Had>
  /** Of which something was told already. */
  readonly leaving: ReadonlyMap<string, Had>
  readonly seen: string | null
}

const start: Place = { place: 0, seq: 0 }
const nowhere: Places = { had: new Map(), leaving: new Map(), seen: null }
/** What no entry begins with. */
const seenMark = ':'
const leavingMark = '~'

function refuseBeyond(head: number, { had, leaving }: Places): void {
  for (const entry of [...had.values(), ...leaving.values()]) {
    if (Math.max(entry.had.place, entry.at.place) <= head) continue
    throw new EngineError('GENERATION_CHANGED', 'The cursor is ahead of the database: it was set back.')
  }
}

function textOf({ place, seq }: Place): string {
  return `${place.toString(36)}-${seq.toString(36)}`
}

function isStart({ place, seq }: Place): boolean {
  return place === 0 && seq === 0
}

/** Characters of a scope's name in a cursor: 48 bits. */
const nameLength = 8
const placePattern = '([0-9a-z]+)-([0-9a-z]+)'
const hadPattern = new RegExp(`^([\\w-]{${nameLength}})${placePattern}$`)
const leavingPattern = new RegExp(`^${leavingMark}([\\w-]{${nameLength}})${placePattern}-${placePattern}$`)

function parseCursor(cursor: string, generation: Generation, secret: string): Places {
  const [ofGeneration = '', ...rest] = cursor.split('.')
  if (/^[0-9a-z]{4,32}$/.test(ofGeneration) && ofGeneration !== generation) {
    throw new EngineError('GENERATION_CHANGED', 'The cursor belongs to another life of the database.')
  }
  const signature = rest.pop() ?? ''
  if (!isEqual(signature, sign(secret, [ofGeneration, ...rest].join('.')))) throw broken()
  const seen = rest.at(-1)?.startsWith(seenMark) ? rest.pop() : undefined
  return {
    had: new Map(rest.filter((text) => !text.startsWith(leavingMark)).map((text) => parseEntry(hadPattern, text))),
    leaving: new Map(
      rest.filter((text) => text.startsWith(leavingMark)).map((text) => parseEntry(leavingPattern, text)),
    ),
    seen: seen?.slice(seenMark.length) ?? null,
  }
}

function parseEntry(pattern: RegExp, text: string): readonly [string, Had] {
  const [, name, ...numbers] = pattern.exec(text) ?? []
  if (name === undefined) throw broken()
  const [place = 0, seq = 0, atPlace = 0, atSeq = 0] = numbers.map((digits) => Number.parseInt(digits, 36))
  return [name, { had: { place, seq }, at: { place: atPlace, seq: atSeq } }]
}

/** 96 bits of HMAC-SHA-256: what no one guesses over a network, in 16 characters. */
function sign(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url').slice(0, 16)
}

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

function broken(): EngineError {
  return new EngineError('CURSOR_TOO_OLD', 'The cursor of the device is not one that this server wrote.')
}
