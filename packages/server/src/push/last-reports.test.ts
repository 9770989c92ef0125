import { parseDeviceId, parseUserId } from '@holdfast/core'
import { expect, test } from 'vitest'
import { type Announcement, type Broker, nobody } from '../ports/broker.ts'
import { reportAgeMsMax, type SentReport } from '../ports/server-store.ts'
import { createLastReports } from './last-reports.ts'

const device = (number: number) => parseDeviceId(`01890a5d-ac96-774b-bcce-b302099a805${number}`)
const report = (pending: number, atMs: number, user = 'ali', number = 7): SentReport => ({
  user: parseUserId(user),
  device: device(number),
  pending,
  atMs,
})

/** Two processes over one database. */
function createPair() {
  const listeners = new Map<number, (announcement: Announcement) => void>()
  const told: Announcement[] = []
  const brokerOf = (self: number): Broker => ({
    publish: (announcement) => {
      told.push(announcement)
      for (const [other, listener] of listeners) if (other !== self) listener(announcement)
    },
    listen: (listener) => {
      listeners.set(self, listener)
      return () => listeners.delete(self)
    },
  })
  const [one, two] = [1, 2].map((self) => createLastReports({ broker: brokerOf(self) }))
  if (one === undefined || two === undefined) throw new Error('two processes')
  const hear = (announcement: Announcement) => {
    for (const listener of listeners.values()) listener(announcement)
  }
  return { one, two, told, hear }
}

test('[SS7] what a device tells again within an hour is not due; another count, another user, or a later hour is', () => {
  const last = createLastReports({ broker: nobody })
  expect(last.due(report(0, 1_000))).toEqual(report(0, 1_000))
  last.keep(report(0, 1_000))
  expect(last.due(report(0, 999 + reportAgeMsMax))).toBe(null)
  expect(last.due(report(0, 1_000 + reportAgeMsMax))).not.toBe(null)
  expect(last.due(report(1, 1_001))).not.toBe(null)
  expect(last.due(report(0, 1_001, 'sara'))).not.toBe(null)
})

test('[SS7] a report that the store did not take is due again; of many devices the last are known', () => {
  const last = createLastReports({ broker: nobody, devicesMax: 2 })
  for (const number of [1, 2, 1, 3]) last.keep(report(0, 1_000, 'ali', number))
  expect([1, 2, 3, 4].map((number) => last.due(report(0, 1_001, 'ali', number)) === null)).toEqual([
    true,
    false,
    true,
    false,
  ])
})

test('[LR1] what a device has told another process is not known here any more; the same again is told to nobody', () => {
  const { one, two, told, hear } = createPair()
  one.keep(report(7, 1_000))
  one.keep(report(3, 1_000, 'sara', 8))
  two.keep(report(0, 1_001))
  expect(one.due(report(7, 1_002))).not.toBe(null)
  expect(two.due(report(0, 1_002))).toBe(null)
  expect(one.due(report(3, 1_002, 'sara', 8))).toBe(null)
  const before = told.length
  two.keep(report(0, 1_002))
  expect(told).toHaveLength(before)
  // A commit changes nothing; a line that was broken does.
  hear({ place: 8, scopes: ['all'], device: device(7) })
  hear({ place: 9, scopes: 'any', device: null })
  expect(two.due(report(0, 1_003))).toBe(null)
  hear({ place: 0, scopes: 'any', device: null })
  expect(two.due(report(0, 1_003))).not.toBe(null)
})
