import path from 'node:path'
import {
  parseDeviceId,
  parseSnapshotPart,
  parseSyncReply,
  parseUserId,
  type SnapshotOffer,
  syncRequestText,
} from '@holdfast/core'
import { expect, inject, onTestFinished, test } from 'vitest'
import { eager } from '../support/eager.ts'
import { leadSchema } from '../support/lead-schema.ts'
import { manager } from '../support/lead-server.ts'
import { startProgram } from '../support/program.ts'
import { onPostgres } from '../support/store-kind.ts'
import { atRest, reached, until } from '../support/until.ts'
import { createDevices } from '../support/world.ts'
import { describeSnapshots } from './snapshot.cases.ts'

const store = onPostgres(inject('postgresUrl'))

describeSnapshots(store)

test('[I-16] two server processes give out the parts of one snapshot, whoever has made it', async () => {
  const database = await store.create()
  const file = path.join(import.meta.dirname, 'snapshot-server.process.ts')
  const programs = [0, 1].map(() => startProgram(file, [database.address, '0', '10']))
  onTestFinished(async () => {
    for (const { child } of programs) child.kill('SIGKILL')
    for (const { ended } of programs) await ended
    await database.drop()
  })
  const urls = await Promise.all(
    programs.map(async (program) => `http://127.0.0.1:${(await program.line(/^port (\d+)$/))[1]}`),
  )
  const [one = '', other = ''] = urls
  const devices = createDevices(onTestFinished)
  const boss = await devices.open(leadSchema, manager, { url: one, ports: eager })
  const write = boss.write((tx) => {
    for (let n = 0; n < 45; n += 1) tx.leads.create({ owner: 'ada', name: `Lead ${n}` })
  })
  await write.settled
  await atRest(boss)
  const first = await devices.open(leadSchema, 'ada', { url: one, ports: eager })
  await reached(first, ({ completeness }) => completeness === 'complete')

  const offerOf = async (url: string): Promise<SnapshotOffer | null> => {
    const body = syncRequestText({
      schema: 1,
      user: parseUserId('ada'),
      device: parseDeviceId('01900000-0000-7000-8000-00000000000a'),
      clock: { nowMs: Date.now(), epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
      cursor: null,
      pull: 'snapshot',
      pending: 0,
      previousDevice: null,
      operations: [],
    })
    const response = await fetch(`${url}/sync`, { method: 'POST', headers: { authorization: 'Bearer ada' }, body })
    return parseSyncReply(await response.json()).snapshot
  }
  const offer = await until('the other process offers it', async () => (await offerOf(other)) ?? false)
  expect(await offerOf(one)).toEqual(offer)
  const rows = new Set<unknown>()
  for (let part = 0; part < offer.parts; part += 1) {
    const headers = { authorization: 'Bearer ada' }
    const response = await fetch(`${urls[part % 2]}/snapshot/${offer.id}/${part}`, { headers })
    for (const { rows: found } of parseSnapshotPart(await response.json()).changes)
      for (const [id] of found) rows.add(id)
  }
  expect(rows.size).toBe(45)
  expect(programs.flatMap(({ lines }) => lines.filter((line) => line === 'snapshot'))).toHaveLength(1)
}, 60_000)
