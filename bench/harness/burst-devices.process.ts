/** The process of the devices of a burst: see burst-devices.ts. */
import { randomUUID } from 'node:crypto'
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  type Json,
  type Operation,
  operationText,
  parseDeviceId,
  parseOperationId,
  parseSyncReply,
  parseTransactionId,
  parseUserId,
  type SyncReply,
  syncRequestText,
} from '@holdfast/core'
import { crm } from '../../apps/crm/src/schema.ts'
import type { BurstCommand, BurstDevice, BurstReport } from './burst-devices.ts'
import type { BurstOperation, DeviceWork } from './burst-work.ts'

interface Device extends BurstDevice {
  readonly id: ReturnType<typeof parseDeviceId>
  readonly rows: Map<string, { readonly version: number; readonly values: { readonly [column: string]: Json } }>
  cursor: string | null
  generation: SyncReply['generation'] | null
  seq: number
  body: Buffer
}

const devices = new Map<string, Device>()

process.on('message', (command: BurstCommand) => {
  void run(command).then((answer) => process.send?.(answer ?? 'done'))
})
process.once('disconnect', () => process.exit(0))

async function run(command: BurstCommand): Promise<BurstReport | undefined> {
  switch (command.kind) {
    case 'connect':
      return connect(command.devices)
    case 'prepare':
      for (const work of command.work) prepare(deviceOf(work.user), work)
      return
    case 'go':
      return burst()
  }
}

async function connect(all: readonly BurstDevice[]): Promise<undefined> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  for (const one of all) {
    devices.set(one.user, {
      ...one,
      id: parseDeviceId(uuidV7()),
      rows: new Map(),
      cursor: null,
      generation: null,
      seq: 0,
      body: Buffer.of(),
    })
  }
  await Promise.all([...devices.values()].map((device) => catchUp(device, agent)))
  agent.destroy()
}

async function catchUp(device: Device, agent: http.Agent): Promise<void> {
  for (;;) {
    device.body = bodyOf(device, [])
    const answer = await post(device, agent)
    if (answer.status !== 200) throw new Error(`First sync was answered with ${answer.status}.`)
    if (!take(device, answer.body).more) return
  }
}

function take(device: Device, body: Buffer): SyncReply {
  const reply = parseSyncReply(JSON.parse(body.toString()))
  for (const { columns, rows } of reply.changes) {
    for (const row of rows) {
      const values = Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null]))
      device.rows.set(String(row[0]), { version: Number(row[1]), values })
    }
  }
  device.cursor = reply.cursor ?? device.cursor
  device.generation = reply.generation
  return reply
}

function prepare(device: Device, { operations }: DeviceWork): void {
  device.body = bodyOf(
    device,
    operations.map((one) => operationText(operationOf(device, one))),
  )
}

function operationOf(device: Device, { collection, record, kind, fields }: BurstOperation): Operation {
  device.seq += 1
  const known = device.rows.get(record)
  const at = Date.now()
  return {
    id: parseOperationId(uuidV7()),
    user: parseUserId(device.user),
    device: device.id,
    seq: device.seq,
    tx: { id: parseTransactionId(uuidV7()), index: 0, count: 1 },
    collection,
    record,
    kind,
    fields,
    was: Object.fromEntries(
      kind === 'create' ? [] : Object.keys(fields).map((name) => [name, known?.values[name] ?? null]),
    ),
    base: { generation: device.generation, version: known?.version ?? 0 },
    time: { at, epoch: 0, hlc: { ms: at, counter: 0 } },
    schemaVersion: crm.version,
    replaces: [],
    settles: [],
  }
}

function bodyOf(device: Device, operations: readonly string[]): Buffer {
  return gzipSync(
    syncRequestText({
      schema: crm.version,
      user: parseUserId(device.user),
      device: device.id,
      clock: { nowMs: Date.now(), epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] },
      cursor: device.cursor,
      pull: 'page',
      pending: 0,
      previousDevice: null,
      operations,
    }),
  )
}

async function burst(): Promise<BurstReport> {
  // A connection each, as of devices that come back.
  const agent = new http.Agent({ keepAlive: true })
  const statuses: { [status: string]: number } = {}
  let requests = 0
  const start = performance.now()
  const bodies = await Promise.all(
    [...devices.values()].map(async (device) => {
      for (;;) {
        requests += 1
        const answer = await post(device, agent)
        if (answer.status === 200) return answer.body
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1
        await sleep(answer.retryAfterMs)
      }
    }),
  )
  const ms = performance.now() - start
  agent.destroy()
  const outcomes = [...devices.values()].flatMap((device, index) => take(device, bodies[index] ?? Buffer.of()).outcomes)
  const refused = outcomes.filter(({ kind }) => kind !== 'applied').length
  return { ms, acknowledged: outcomes.length, refused, requests, statuses }
}

interface Answer {
  readonly status: number
  readonly retryAfterMs: number
  readonly body: Buffer
}

function post(device: Device, agent: http.Agent): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request(`${device.url}/sync`, {
      method: 'POST',
      agent,
      headers: {
        authorization: `Bearer ${device.token}`,
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'accept-encoding': 'gzip',
      },
    })
    request.once('error', reject)
    request.once('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.once('error', reject)
      response.once('end', () => {
        const body = Buffer.concat(chunks)
        const seconds = Number(response.headers['retry-after'] ?? 1)
        resolve({
          status: response.statusCode ?? 0,
          retryAfterMs: seconds * 1_000,
          body: response.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body,
        })
      })
    })
    request.end(device.body)
  })
}

function deviceOf(user: string): Device {
  const device = devices.get(user)
  if (device === undefined) throw new Error(`There is no device of ${user}.`)
  return device
}

function uuidV7(): string {
  const time = Date.now().toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
