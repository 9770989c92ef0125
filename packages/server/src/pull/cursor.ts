/**
 * The cursor: up to where a device has each of its scopes. Opaque to the device, and small: every round carries it.
 *
 *   <generation>.<scope place seq>.<scope place seq>…[.<seen>].<signature>
 *
 * CU1  Only cursors that this database signed are read. Any other is CURSOR_TOO_OLD: the device pauses and keeps everything, since
 *      sent again it would fail again. In the generation a changed byte is GENERATION_CHANGED, which is also the answer to a cursor
 *      of another life of the database, whose key is not known.
 * CU2  Scopes are named by a keyed hash: a cursor tells nobody what somebody may see, and 100 scopes fit into a request.
 * CU3  A scope without a position starts at the beginning, alone. A position of a scope that was taken away is dropped.
 *      `seen` (what the store has sent beyond the positions) is said of the scopes that the cursor has, so it goes with the first
 *      that it does not have.
 * CU4  A position ahead of the head proves that the database was set back: GENERATION_CHANGED.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { EngineError, type Generation } from '@holdfast/core'
import type { PageRequest, Scope } from '../ports/server-store.ts'

export interface CursorCodec {
  /** The place of `scopes` by a cursor; null: all at the beginning. `head`: the last commit that there is. */
  read(cursor: string | null, scopes: readonly Scope[], head: number): PullPlace
  write(place: PullPlace): string
}

/** Up to where a device has its scopes. */
export type PullPlace = Pick<PageRequest, 'positions' | 'seen'>

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

  return {
    read: (cursor, scopes, head) => {
      const { places, seen } = cursor === null ? nowhere : parseCursor(cursor, generation, secret)
      let isKnown = true
      const positions = scopes.map((scope) => {
        const known = places.get(nameOf(scope))
        if (known === undefined) isKnown = false
        const { place, seq } = known ?? start
        if (place > head) {
          throw new EngineError('GENERATION_CHANGED', 'The cursor is ahead of the database: it was set back.')
        }
        return { scope, place, seq }
      })
      return { positions, seen: isKnown ? seen : null }
    },

    write: ({ positions, seen }) => {
      const body = [
        generation,
        ...positions.map(({ scope, place, seq }) => `${nameOf(scope)}${place.toString(36)}-${seq.toString(36)}`),
        ...(seen === null ? [] : [`${seenMark}${seen}`]),
      ].join('.')
      return `${body}.${sign(secret, body)}`
    },
  }
}

interface Place {
  readonly place: number
  readonly seq: number
}

interface Places {
  readonly places: ReadonlyMap<string, Place>
  readonly seen: string | null
}

const start: Place = { place: 0, seq: 0 }
const nowhere: Places = { places: new Map(), seen: null }
/** What no entry begins with. */
const seenMark = ':'

/** Characters of a scope's name in a cursor: 48 bits. */
const nameLength = 8
const entryPattern = /^([\w-]{8})([0-9a-z]+)-([0-9a-z]+)$/

function parseCursor(cursor: string, generation: Generation, secret: string): Places {
  const [ofGeneration = '', ...rest] = cursor.split('.')
  if (/^[0-9a-z]{4,32}$/.test(ofGeneration) && ofGeneration !== generation) {
    throw new EngineError('GENERATION_CHANGED', 'The cursor belongs to another life of the database.')
  }
  const signature = rest.pop() ?? ''
  if (!isEqual(signature, sign(secret, [ofGeneration, ...rest].join('.')))) throw broken()
  const seen = rest.at(-1)?.startsWith(seenMark) ? rest.pop() : undefined
  return { places: new Map(rest.map(parseEntry)), seen: seen?.slice(seenMark.length) ?? null }
}

function parseEntry(text: string): readonly [string, Place] {
  const [, name, place, seq] = entryPattern.exec(text) ?? []
  if (name === undefined || place === undefined || seq === undefined) throw broken()
  return [name, { place: Number.parseInt(place, 36), seq: Number.parseInt(seq, 36) }]
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
