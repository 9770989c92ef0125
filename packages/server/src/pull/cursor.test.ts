import { cursorLengthMax, EngineError, parseGeneration } from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import type { ScopePosition } from '../ports/server-store.ts'
import { scopesMax } from '../scope/scopes.ts'
import { createCursorCodec } from './cursor.ts'

const generation = parseGeneration('a1b2c3d4e5f6')
const codec = createCursorCodec(generation, 'the secret')
const positions: readonly ScopePosition[] = [
  { scope: 'agent:ali', place: 4_711, seq: 12 },
  { scope: 'agent:sara', place: 0, seq: 0 },
]
const scopes = positions.map(({ scope }) => scope)
const head = 5_000

const codeOf = (work: () => unknown): string => {
  try {
    work()
    return 'read'
  } catch (error) {
    return error instanceof EngineError ? error.code : String(error)
  }
}

test('a cursor names a position for each scope, whatever the order of scopes', () => {
  const cursor = codec.write({ positions, seen: null })
  expect(codec.read(cursor, scopes, head)).toEqual({ positions, seen: null })
  expect(codec.read(cursor, [...scopes].reverse(), head)).toEqual({ positions: [...positions].reverse(), seen: null })
})

test('no cursor: every scope from its beginning', () => {
  expect(codec.read(null, ['all'], head)).toEqual({
    positions: [{ scope: 'all', place: 0, seq: 0 }],
    seen: null,
  })
})

test('[CU3] a scope that was granted later starts at its beginning; one that was taken away is dropped', () => {
  const cursor = codec.write({ positions, seen: null })
  expect(codec.read(cursor, ['agent:ali', 'team:7'], head)).toEqual({
    positions: [positions[0], { scope: 'team:7', place: 0, seq: 0 }],
    seen: null,
  })
})

test('[CU3] what was seen beyond the positions holds for the scopes of the cursor, and ends with a new one', () => {
  const seen = '4711:4720:4711,4715'
  const cursor = codec.write({ positions, seen })
  expect(codec.read(cursor, scopes, head)).toEqual({ positions, seen })
  expect(codec.read(cursor, ['agent:ali'], head).seen).toBe(seen)
  expect(codec.read(cursor, [...scopes, 'team:7'], head).seen).toBeNull()
})

describe('[CU1] a cursor that was changed', () => {
  test('is refused, whichever byte was changed, and to whatever', () => {
    const cursor = codec.write({ positions, seen: null })
    for (let at = 0; at < cursor.length; at += 1) {
      for (const byte of ['0', 'Z', 'a', '-', '.', '\u0000', 'é']) {
        if (cursor[at] === byte) continue
        const tampered = cursor.slice(0, at) + byte + cursor.slice(at + 1)
        const code = codeOf(() => codec.read(tampered, scopes, head))
        expect([at < generation.length ? 'GENERATION_CHANGED' : 'CURSOR_TOO_OLD', 'CURSOR_TOO_OLD']).toContain(code)
      }
    }
  })

  test('is refused when it is cut, longer, empty or of another key', () => {
    const cursor = codec.write({ positions, seen: null })
    const others = [
      ...Array.from({ length: cursor.length }, (_, length) => cursor.slice(0, length)),
      `${cursor}A`,
      `${cursor}.`,
      ` ${cursor}`,
      createCursorCodec(generation, 'another secret').write({ positions, seen: null }),
    ]
    // Cut within its generation it names another one.
    for (const other of others) {
      expect(['CURSOR_TOO_OLD', 'GENERATION_CHANGED']).toContain(codeOf(() => codec.read(other, scopes, head)))
    }
  })
})

test('a cursor of another life of the database is told apart, though its key is not known', () => {
  const other = createCursorCodec(parseGeneration('000000000000'), 'another secret').write({ positions, seen: null })
  expect(codeOf(() => codec.read(other, scopes, head))).toBe('GENERATION_CHANGED')
})

test('[CU4] a position ahead of the head: the database was set back', () => {
  expect(codeOf(() => codec.read(codec.write({ positions, seen: null }), scopes, 4_710))).toBe('GENERATION_CHANGED')
  expect(codeOf(() => codec.read(codec.write({ positions, seen: null }), scopes, 4_711))).toBe('read')
})

test('[CU2] a cursor tells no scope, and that of 100 scopes fits into a request', () => {
  const many = Array.from({ length: 100 }, (_, index) => ({
    scope: `agent:somebody-with-a-long-name-${index}`,
    place: 2 ** 40 + index,
    seq: 100_000,
  }))
  const cursor = codec.write({ positions: many, seen: 'x'.repeat(1_000) })
  expect(cursor).not.toContain('somebody')
  expect(cursor.length).toBeLessThan(4_000)
  expect(codec.write({ positions: [{ scope: 'all', place: 1_000_000, seq: 5_000 }], seen: null }).length).toBeLessThan(
    60,
  )
})

test('[CU2] the cursor of as many scopes as a user may hold fits into a request, whatever their positions', () => {
  const many = Array.from({ length: scopesMax }, (_, index) => ({
    scope: `agent:${index}`,
    place: Number.MAX_SAFE_INTEGER,
    seq: Number.MAX_SAFE_INTEGER,
  }))
  const long = createCursorCodec(parseGeneration('a'.repeat(16)), 'the secret').write({
    positions: many,
    seen: 'x'.repeat(1_000),
  })
  expect(long.length).toBeLessThanOrEqual(cursorLengthMax)
})
