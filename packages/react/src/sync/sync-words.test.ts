import type { SyncStatus } from '@holdfast/client'
import { expect, test } from 'vitest'
import { relativeText } from './relative-time.tsx'
import { announcementOf, syncWords } from './sync-words.ts'

const calm = {
  lastSyncedAt: 1,
  pending: 0,
  refused: 0,
  conflicts: 0,
  completeness: 'complete',
  progress: null,
  notice: null,
  storage: 'durable',
  queueCopy: 'kept',
  persisted: true,
  lastError: null,
} as const satisfies Partial<SyncStatus>

const cases: readonly (readonly [string, SyncStatus | null, string])[] = [
  ['before the database is open', null, 'Opening'],
  ['all arrived', { ...calm, kind: 'idle' }, 'Synced'],
  ['written just now', { ...calm, kind: 'idle', pending: 1 }, 'Saved on this device'],
  ['nothing has been downloaded yet', { ...calm, kind: 'idle', completeness: 'empty' }, 'Waiting'],
  ['sending', { ...calm, kind: 'syncing', pending: 3 }, 'Syncing'],
  ['the first sync', { ...calm, kind: 'syncing', progress: { rows: 24_000, total: 100_000 } }, 'Syncing 24%'],
  ['the first sync of nothing', { ...calm, kind: 'syncing', progress: { rows: 0, total: 0 } }, 'Syncing'],
  ['no network, nothing waits', { ...calm, kind: 'offline' }, 'Offline'],
  ['no network', { ...calm, kind: 'offline', pending: 1_203 }, 'Offline · 1,203 waiting'],
  ['trouble at the server', { ...calm, kind: 'waiting', pending: 3, retryAtMs: 1 }, '3 waiting'],
  ['paused by a person', { ...calm, kind: 'paused', why: 'user' }, 'Paused'],
  ['signed out', { ...calm, kind: 'paused', why: 'signedOut' }, 'Needs attention'],
  ['something to decide', { ...calm, kind: 'idle', conflicts: 2 }, '2 to decide'],
  ['something to decide, no network', { ...calm, kind: 'offline', conflicts: 2 }, 'Offline · 2 to decide'],
  [
    'something to decide, and something waits',
    { ...calm, kind: 'offline', conflicts: 2, pending: 1 },
    'Offline · 1 waiting · 2 to decide',
  ],
  ['refused, though all else arrived', { ...calm, kind: 'idle', refused: 1 }, '1 refused'],
  ['refused, and something to decide', { ...calm, kind: 'idle', refused: 1, conflicts: 2 }, '1 refused · 2 to decide'],
  ['refused, and written just now', { ...calm, kind: 'idle', refused: 1, pending: 2 }, '1 refused · 2 waiting'],
  ['refused, and sending', { ...calm, kind: 'syncing', refused: 1, pending: 2 }, '1 refused · Syncing'],
  ['refused, no network', { ...calm, kind: 'offline', refused: 1, pending: 2 }, 'Offline · 2 waiting · 1 refused'],
  ['refused, trouble at the server', { ...calm, kind: 'waiting', refused: 1, retryAtMs: 1 }, 'Waiting · 1 refused'],
  [
    'refused, signed out',
    { ...calm, kind: 'paused', why: 'signedOut', refused: 1, pending: 2 },
    'Needs attention · 2 waiting · 1 refused',
  ],
  [
    'a full disk',
    { ...calm, kind: 'attention', code: 'STORAGE_FULL', problem: 'The disk is full.' },
    'Needs attention',
  ],
]

test.each(cases)('%s', (_, status, short) => {
  expect(syncWords(status).short).toBe(short)
})

test('no status with something waiting reads as synced', () => {
  for (const [, status] of cases) {
    if (status === null) continue
    expect(syncWords({ ...status, pending: 2 }).tone).not.toBe('synced')
  }
})

test('[V-2] what happened to the data asks for attention, and says what is lost and what is not', () => {
  const reported = { pending: 7, atMs: Date.UTC(2026, 10, 20, 12) }
  const words = (notice: NonNullable<SyncStatus['notice']>) => syncWords({ ...calm, kind: 'idle', notice })
  expect(words({ kind: 'recovered', atMs: 1, rescued: 1, settings: 'kept' })).toMatchObject({
    tone: 'attention',
    sentence: expect.stringMatching(/made anew\. 1 change that the server had not taken was restored\.$/),
  })
  expect(words({ kind: 'recovered', atMs: 1, rescued: 0, settings: 'lost' }).sentence).toMatch(
    /settings .*are lost\.$/i,
  )
  expect(words({ kind: 'evicted', atMs: 1, reported }).sentence).toMatch(
    /removed the data of this app\. .*Nov 20, 2026.* 7 changes had not reached it: they are lost\. What was written after that/,
  )
  expect(words({ kind: 'evicted', atMs: 1, reported: { ...reported, pending: 0 } }).sentence).toMatch(
    /nothing was unsent\. What/,
  )
  expect(words({ kind: 'evicted', atMs: 1, reported: null }).sentence).toMatch(/how many is not known/)
})

test('no state hides another one: the network, what waits, what was refused and what is to be decided are all told', () => {
  const all = { ...calm, kind: 'offline', pending: 2, refused: 1, conflicts: 3 } as const
  expect(syncWords(all)).toMatchObject({ tone: 'offline', short: 'Offline · 2 waiting · 1 refused · 3 to decide' })
  for (const told of [/No connection\. 2 changes saved/, /refused 1 change\./, /3 need your decision/]) {
    expect(syncWords(all).sentence).toMatch(told)
    expect(announcementOf(all)).toMatch(told)
  }
})

test('a running round announces nothing; what comes to rest is one sentence', () => {
  expect(announcementOf({ ...calm, kind: 'syncing', pending: 3 })).toBeNull()
  expect(announcementOf({ ...calm, kind: 'offline', pending: 3 })).toBe('Offline. 3 changes waiting')
  expect(announcementOf({ ...calm, kind: 'idle' })).toBe('All changes synced')
})

test.each([
  [0, 'just now'],
  [-44_000, 'just now'],
  [5_000, 'just now'],
  [-60_000, '1 min. ago'],
  [-125_000, '2 min. ago'],
  [-3 * 3_600_000, '3 hr. ago'],
  [-2 * 86_400_000, '2 days ago'],
])('%d ms from now: %s', (delta, text) => {
  expect(relativeText(1e12 + delta, 1e12)).toBe(text)
})
