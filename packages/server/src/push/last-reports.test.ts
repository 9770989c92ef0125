import { parseDeviceId, parseUserId } from '@holdfast/core'
import { expect, test } from 'vitest'
import { reportAgeMsMax, type SentReport } from '../ports/server-store.ts'
import { createLastReports } from './last-reports.ts'

const report = (pending: number, atMs: number, user = 'ali'): SentReport => ({
  user: parseUserId(user),
  device: parseDeviceId('01890a5d-ac96-774b-bcce-b302099a8057'),
  pending,
  atMs,
})

test('[SS7] what a device tells again within an hour is not due; another count, another user, or a later hour is', () => {
  const last = createLastReports()
  expect(last.due(report(0, 1_000))).toEqual(report(0, 1_000))
  last.keep(report(0, 1_000))
  expect(last.due(report(0, 999 + reportAgeMsMax))).toBe(null)
  expect(last.due(report(0, 1_000 + reportAgeMsMax))).not.toBe(null)
  expect(last.due(report(1, 1_001))).not.toBe(null)
  expect(last.due(report(0, 1_001, 'sara'))).not.toBe(null)
})

test('[SS7] a report that the store did not take is due again; of many devices the last are known', () => {
  const last = createLastReports(2)
  for (const user of ['a', 'b', 'a', 'c']) last.keep(report(0, 1_000, user))
  expect(['a', 'b', 'c', 'd'].map((user) => last.due(report(0, 1_001, user)) === null)).toEqual([
    true,
    false,
    true,
    false,
  ])
})
