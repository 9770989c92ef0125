import { cursorLengthMax, EngineError, parseGeneration, parseUserId, RestartError } from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import type { Scope, ScopePosition } from '../ports/server-store.ts'
import { scopesMax } from '../scope/scopes.ts'
import { type CursorNow, createCursorCodec, type PullPlace, SetBack } from './cursor.ts'
import { scopeNames } from './scope-names.ts'

const generation = parseGeneration('a1b2c3d4e5f6')
const ann = parseUserId('ann')
const codec = createCursorCodec(generation, 'the secret', ann)
const positions: readonly ScopePosition[] = [
  { scope: 'agent:ali', place: 4_711, seq: 12 },
  { scope: 'agent:sara', place: 0, seq: 0 },
]
const scopes = positions.map(({ scope }) => scope)
const head = 5_000

/** The feed has entries of these scopes and of one more. */
const feed: CursorNow = {
  head,
  day: 20_000,
  prunedDay: 0,
  ancestors: new Map(),
  retentionMs: 90 * 86_400_000,
  serverTimeMs: 20_000 * 86_400_000,
  scopes: async () => [...scopes, 'team:7', 'team:8'],
}
const placeOf = (place: Partial<PullPlace>): PullPlace => ({
  positions,
  leaving: [],
  seen: null,
  day: 20_000,
  ...place,
})
const cursorOf = (place: Partial<PullPlace> = {}) => codec.write(placeOf(place))
const read = (cursor: string | null, held: readonly Scope[] = scopes) => codec.read(cursor, held, feed)

const codeOf = async (work: () => Promise<unknown>): Promise<string> => {
  try {
    await work()
    return 'read'
  } catch (error) {
    return error instanceof EngineError ? error.code : error instanceof SetBack ? 'set back' : String(error)
  }
}

test('a cursor names a position for each scope, whatever the order of scopes', async () => {
  expect(await read(cursorOf())).toEqual(placeOf({}))
  expect(await read(cursorOf(), [...scopes].reverse())).toEqual(placeOf({ positions: [...positions].reverse() }))
})

test('no cursor: every scope from its beginning', async () => {
  expect(await read(null, ['all'])).toEqual(placeOf({ positions: [{ scope: 'all', place: 0, seq: 0 }] }))
})

test('[CU3] a scope that was granted later starts at its beginning', async () => {
  expect((await read(cursorOf(), [...scopes, 'team:7'])).positions).toEqual([
    ...positions,
    { scope: 'team:7', place: 0, seq: 0 },
  ])
})

test('[CU3] what was seen beyond the positions holds for the scopes of the cursor, and ends with a new one', async () => {
  const seen = '4711:4720:4711,4715'
  const cursor = cursorOf({ seen })
  expect(await read(cursor)).toEqual(placeOf({ seen }))
  expect((await read(cursor, ['agent:ali'])).seen).toBe(seen)
  expect((await read(cursor, [...scopes, 'team:7'])).seen).toBeNull()
})

describe('[CU5] a scope that was taken away', () => {
  const [ali, sara] = ['agent:ali', 'agent:sara'].map((scope): ScopePosition => ({ scope, place: 0, seq: 0 }))
  if (ali === undefined || sara === undefined) throw new Error('There are two.')

  test('is leaving, from its beginning', async () => {
    expect(await read(cursorOf(), ['agent:sara'])).toEqual(placeOf({ positions: [sara], leaving: [ali] }))
  })

  test('goes on where it was: not begun, in the middle, and beside others', async () => {
    for (const [place, seq] of [
      [0, 0],
      [0, 3],
      [4_000, 7],
    ] as const) {
      const one = placeOf({ positions: [sara], leaving: [{ ...ali, place, seq }], seen: '1:2:' })
      expect(await read(codec.write(one), ['agent:sara'])).toEqual(one)
    }
    const both = placeOf({ positions: [], leaving: [{ ...ali, place: 9, seq: 1 }, sara] })
    expect(await read(codec.write(both), [])).toEqual(both)
  })

  test('begins anew when it is granted again while it leaves; before that it goes on', async () => {
    const place = { positions: [sara], leaving: [{ ...ali, place: 9, seq: 1 }], seen: '1:2:' }
    expect(await read(cursorOf(place))).toEqual(placeOf({ positions: [ali, sara] }))
    expect(await read(cursorOf({ seen: '1:2:' }))).toEqual(placeOf({ seen: '1:2:' }))
  })

  test('is found by a process that has not met it; one that the feed has nothing of is dropped', async () => {
    const cursor = cursorOf()
    const readAnew = (now: Partial<CursorNow>) => {
      for (let other = 0; other < 4; other += 1) scopeNames(`the secret of server ${other}`)
      return createCursorCodec(generation, 'the secret', ann).read(cursor, ['agent:sara'], { ...feed, ...now })
    }
    const many = Array.from({ length: 1_000 }, (_, index) => `team:${index}`)
    expect(await readAnew({ scopes: async () => [...many, 'agent:ali'] })).toMatchObject({ leaving: [ali] })
    expect(await readAnew({ scopes: async () => many })).toMatchObject({ leaving: [] })
  })

  test('the feed is asked only where one is missing that this process has not met', async () => {
    const unasked = { ...feed, scopes: () => Promise.reject(new Error('It was asked.')) }
    expect((await codec.read(cursorOf(), [...scopes, 'team:7'], unasked)).leaving).toEqual([])
    expect((await codec.read(cursorOf(), ['agent:sara'], unasked)).leaving).toEqual([ali])
  })
})

test('[CU6] a device that loses and gets more scopes than a user may hold pulls anew', async () => {
  const many = Array.from({ length: scopesMax }, (_, index) => ({ scope: `agent:${index}`, place: 1, seq: 1 }))
  const cursor = cursorOf({ positions: many })
  const names = many.map(({ scope }) => scope)
  const all: CursorNow = { ...feed, scopes: async () => names }
  expect((await codec.read(cursor, [], all)).leaving).toHaveLength(scopesMax)
  expect((await codec.read(cursor, names.slice(1), all)).leaving).toHaveLength(1)
  expect(await codeOf(() => codec.read(cursor, ['all'], all))).toBe('CURSOR_TOO_OLD')
})

describe('[CU1] a cursor that was changed', () => {
  test('is refused, whichever byte was changed, and to whatever', async () => {
    const cursor = cursorOf({ leaving: [{ scope: 'team:7', place: 9, seq: 1 }] })
    for (let at = 0; at < cursor.length; at += 1) {
      for (const byte of ['0', 'Z', 'a', '-', '.', '\u0000', 'é']) {
        if (cursor[at] === byte) continue
        const tampered = cursor.slice(0, at) + byte + cursor.slice(at + 1)
        const code = await codeOf(() => read(tampered))
        expect([at <= generation.length ? 'GENERATION_CHANGED' : 'CURSOR_TOO_OLD', 'CURSOR_TOO_OLD']).toContain(code)
      }
    }
  })

  test('is refused when it is cut, longer, empty or of another key', async () => {
    const cursor = cursorOf({ leaving: [{ scope: 'team:7', place: 9, seq: 1 }] })
    const others = [
      ...Array.from({ length: cursor.length }, (_, length) => cursor.slice(0, length)),
      `${cursor}A`,
      `${cursor}.`,
      ` ${cursor}`,
      createCursorCodec(generation, 'another secret', ann).write(placeOf({})),
    ]
    // Cut within its generation it names another one.
    for (const other of others) {
      expect(['CURSOR_TOO_OLD', 'GENERATION_CHANGED']).toContain(await codeOf(() => read(other)))
    }
  })
})

test('[CU9] [I-22] a cursor of another user is none of ours; one that is of everybody is', async () => {
  const of = (user: string | null) => {
    const owner = user === null ? null : parseUserId(user)
    return createCursorCodec(generation, 'the secret', owner).write(placeOf({}))
  }
  expect(await codeOf(() => read(of('ann')))).toBe('read')
  expect(await codeOf(() => read(of(null)))).toBe('read')
  for (const other of ['ben', 'ann ', 'null', 'a']) expect(await codeOf(() => read(of(other)))).toBe('CURSOR_TOO_OLD')
})

test('a cursor of another life of the database is told apart, though its key is not known', async () => {
  const other = createCursorCodec(parseGeneration('000000000000'), 'another secret', ann).write(placeOf({}))
  expect(await codeOf(() => read(other))).toBe('GENERATION_CHANGED')
})

test('[CU4] a position ahead of the head: the database was set back', async () => {
  const readAt = (place: Partial<PullPlace>, at: number) =>
    codeOf(() => codec.read(cursorOf(place), scopes, { ...feed, head: at }))
  expect(await readAt({}, 4_710)).toBe('set back')
  expect(await readAt({}, 4_711)).toBe('read')
  const leaving = [{ scope: 'team:7', place: 4_713, seq: 1 }]
  expect(await readAt({ leaving }, 4_712)).toBe('set back')
  expect(await readAt({ leaving }, 4_713)).toBe('read')
})

describe('[CU7] [I-24] the day of the last complete pull', () => {
  test('goes round with the cursor, and begins with the first page', async () => {
    expect((await read(cursorOf({ day: 19_000 }))).day).toBe(19_000)
    expect((await read(null)).day).toBe(20_000)
    // As a clock that was ahead may have left it.
    expect((await codec.read(null, scopes, { ...feed, prunedDay: 20_010 })).day).toBe(20_010)
  })

  test('may not lie before what was forgotten; the device is told how long the server remembers', async () => {
    const readAt = (day: number) => codec.read(cursorOf({ day }), scopes, { ...feed, prunedDay: 19_910 })
    expect((await readAt(19_910)).day).toBe(19_910)
    await expect(readAt(19_909)).rejects.toMatchObject({
      code: 'CURSOR_TOO_OLD',
      restart: { kind: 'tooOld', retentionMs: 90 * 86_400_000, serverTimeMs: 20_000 * 86_400_000 },
    })
  })
})

describe('[CU8] [I-9] a cursor of an earlier life', () => {
  const next = parseGeneration('bbbbbbbbbbbb')
  const later = createCursorCodec(next, 'the secret', ann)
  const restartOf = async (cursor: string, fork: number) => {
    const now = { ...feed, ancestors: new Map([[generation as string, fork]]) }
    const error = await later.read(cursor, scopes, now).catch((thrown: unknown) => thrown)
    if (!(error instanceof RestartError) || error.restart.kind !== 'generation') throw error
    return error.restart
  }

  test('is told its equal while every position lies in what both have', async () => {
    const place = placeOf({ leaving: [{ scope: 'team:7', place: 4_712, seq: 1 }], day: 19_999 })
    const restart = await restartOf(codec.write(place), 4_712)
    expect(restart).toMatchObject({ generation: next, fork: 4_712 })
    expect(await later.read(restart.cursor, scopes, feed)).toEqual({
      ...place,
      positions: place.positions,
    })
  })

  test('has none when one position, or what was seen beyond them, may be of the lost branch', async () => {
    expect(await restartOf(cursorOf(), 4_710)).toMatchObject({
      kind: 'generation',
      generation: next,
      fork: 4_710,
      cursor: null,
    })
    expect((await restartOf(cursorOf(), 4_711)).cursor).not.toBeNull()
    expect((await restartOf(cursorOf({ seen: '1:2:' }), 4_999)).cursor).toBeNull()
    expect((await restartOf(cursorOf(), 0)).cursor).toBeNull()
  })

  test('has none when it was changed, and one of a life that is not known has not either', async () => {
    const forged = `${cursorOf().slice(0, -1)}~`
    expect(await restartOf(forged, 4_999)).toMatchObject({ fork: 4_999, cursor: null })
    const stranger = createCursorCodec(parseGeneration('cccccccccccc'), 'the secret', ann).write(placeOf({}))
    expect(await restartOf(stranger, 4_999)).toMatchObject({ fork: 0, cursor: null })
  })
})

test('[CU2] a cursor tells no scope, and that of 100 scopes fits into a request', () => {
  const many = Array.from({ length: 100 }, (_, index) => ({
    scope: `agent:somebody-with-a-long-name-${index}`,
    place: 2 ** 40 + index,
    seq: 100_000,
  }))
  const cursor = codec.write(placeOf({ positions: many, seen: 'x'.repeat(1_000) }))
  expect(cursor).not.toContain('somebody')
  expect(cursor.length).toBeLessThan(4_000)
  expect(cursorOf({ positions: [{ scope: 'all', place: 1_000_000, seq: 5_000 }] }).length).toBeLessThan(60)
})

test('[CU2] the cursor of as many scopes as a user may hold fits into a request, whatever their positions', () => {
  const many = Array.from({ length: scopesMax }, (_, index) => ({
    scope: `agent:${index}`,
    place: Number.MAX_SAFE_INTEGER,
    seq: Number.MAX_SAFE_INTEGER,
  }))
  const long = createCursorCodec(parseGeneration('a'.repeat(16)), 'the secret', ann).write(
    placeOf({ positions: many, seen: 'x'.repeat(1_000) }),
  )
  expect(long.length).toBeLessThanOrEqual(cursorLengthMax)
})
