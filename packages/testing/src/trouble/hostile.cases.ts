/**
 * Requests that mean harm, or come from a broken program: a corpus of mutations of good ones, and what is made to fill memory. The
 * attacker has a token of its own; what is watched is somebody else's data, and the server.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { batchBytesMax, rescueText } from '@holdfast/core'
import type { Server } from '@holdfast/server'
import { describe, expect, test } from 'vitest'
import { createSeededRandom } from '../fakes/seeded-random.ts'
import { serverSchema } from '../support/lead-schema.ts'
import { createLeadServer } from '../support/lead-server.ts'
import { startProgram } from '../support/program.ts'
import { type StoreKind, storeAt } from '../support/store-kind.ts'
import { hashOf, readServer } from '../support/truth.ts'
import type { OnFinished } from '../support/world.ts'

const victim = 'ada'
const attacker = 'mallory'
const bitFlips = 400
const heapMiB = 96

type Body = string | Uint8Array<ArrayBuffer>

interface Hostile {
  readonly name: string
  readonly body: Body
  readonly path?: string
  readonly headers?: { readonly [name: string]: string }
}

export function describeHostile(store: StoreKind): void {
  describe(`hostile requests to ${store.name}`, { timeout: 120_000 }, () => {
    test('[I-25] a corpus of mutations: no status of 500 or more, nothing of others changed, nothing changed at all by what is refused', async ({
      onTestFinished,
    }) => {
      const { server, address } = await start(store, onTestFinished)
      const good = goodRequest()
      const reply = await (await post(server, { name: 'good', body: JSON.stringify(good) })).json()
      expect(reply.outcomes).toMatchObject([{ kind: 'applied' }, { kind: 'applied' }])
      const before = await readServer(address, victim)
      const prototype = JSON.stringify(Object.getOwnPropertyNames(Object.prototype))

      const corpus = [...mutations(good, reply.cursor), ...truncations(good), ...flips(good), ...encodings(good)]
      const statuses = new Map<number, number>()
      let horizon = await server.store.horizon()
      for (const one of corpus) {
        const startMs = performance.now()
        const response = await post(server, one)
        const text = await response.text()
        const { status } = response
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
        if (status >= 500 || performance.now() - startMs > 1_000) expect({ [one.name]: status, text }).toBe('harmless')
        if (status === 200) horizon = await server.store.horizon()
        else if (store.name === 'embedded' && (await server.store.horizon()) !== horizon)
          expect(one.name).toBe('no change')
      }
      console.log(`hostile, ${store.name}: ${corpus.length} requests, ${JSON.stringify(Object.fromEntries(statuses))}`)
      expect(corpus.length).toBeGreaterThan(2_000)
      expect(statuses.get(400)).toBeGreaterThan(1_000)
      const after = await readServer(address, victim)
      expect(hashOf(after.rows)).toBe(hashOf(before.rows))
      expect(after.operations).toEqual(before.operations)
      const users = new Set((await readServer(address)).operations.map(({ user }) => user))
      expect([...users].sort()).toEqual([victim, attacker])
      expect(JSON.stringify(Object.getOwnPropertyNames(Object.prototype))).toBe(prototype)
      // It serves as before.
      expect((await post(server, { name: 'good', body: JSON.stringify({ ...good, operations: [] }) })).status).toBe(200)
    })

    test("[I-25] somebody else's records, by every kind of operation: the same answer as for a record that is not there", async ({
      onTestFinished,
    }) => {
      const { server, address } = await start(store, onTestFinished)
      const before = await readServer(address, victim)
      for (const kind of ['update', 'increment', 'delete', 'restore']) {
        const outcomes = []
        for (const record of ['lead-of-ada', 'lead-of-nobody']) {
          const fields = kind === 'increment' ? { visits: 1 } : kind === 'update' ? { note: 'x' } : {}
          const operation = operationOf({ kind, record, fields, was: kind === 'update' ? { note: '' } : {} })
          const response = await post(server, {
            name: kind,
            body: JSON.stringify({ ...goodRequest(), operations: [operation] }),
          })
          const [outcome] = (await response.json()).outcomes
          outcomes.push({ ...outcome, id: null })
        }
        expect(outcomes[0]).toMatchObject({ kind: 'rejected' })
        expect(outcomes[0]).toEqual(outcomes[1])
      }
      expect(await readServer(address, victim)).toEqual(before)
    })

    test(`[I-25] what is made to fill memory does not: a server with a heap of ${heapMiB} MiB lives`, async ({
      onTestFinished,
    }) => {
      const database = await store.create()
      const program = startProgram(
        path.join(import.meta.dirname, '../crash/server.process.ts'),
        [database.address, '0', 'never', '0'],
        // A process that would hold more than that dies: about a third of it is the server itself.
        { env: { NODE_OPTIONS: `--max-old-space-size=${heapMiB}` } },
      )
      onTestFinished(async () => {
        program.child.kill('SIGKILL')
        await program.ended
        await database.drop()
      })
      const [, port] = await program.line(/^port (\d+)$/)
      const { pid = 0 } = program.child
      const url = `http://127.0.0.1:${port}`
      const send = async ({ path: at = '/sync', body, headers }: Hostile): Promise<number> => {
        const authorization = `Bearer ${attacker}`
        const response = await fetch(`${url}${at}`, { method: 'POST', body, headers: { authorization, ...headers } })
        await response.text()
        return response.status
      }
      const good = goodRequest()
      // Made before: it takes seconds, in which the line would grow old.
      const all = bombs(good)
      for (let turn = 0; turn < 20; turn += 1) await send({ name: 'good', body: JSON.stringify(good) })
      const taken: string[] = []
      for (const bomb of all) {
        const settled = residentMiB(pid, 'VmRSS')
        writeFileSync(`/proc/${pid}/clear_refs`, '5') // The peak is counted from here.
        const status = await send(bomb)
        const mebibytes = residentMiB(pid, 'VmHWM') - settled
        const line = `${bomb.name}: ${status}, ${mebibytes.toFixed(0)} MiB`
        taken.push(line)
        expect(status).toBeLessThan(500)
      }
      await rawRequests(Number(port))
      console.log(`hostile, ${store.name}:\n  ${taken.join('\n  ')}`)
      expect(await send({ name: 'good', body: JSON.stringify({ ...good, operations: [] }) })).toBe(200)
      expect([program.child.exitCode, program.child.signalCode]).toEqual([null, null])
    })
  })
}

async function start(store: StoreKind, onFinished: OnFinished) {
  const database = await store.create()
  const none = Number.POSITIVE_INFINITY
  const server = createLeadServer(storeAt(database.address), serverSchema, {
    userRequestsPerSecond: none,
    deviceRequestsPerSecond: none,
  })
  await server.start()
  onFinished(async () => {
    await server.close()
    await database.drop()
  })
  const lead = { ...operationOf({ record: 'lead-of-ada', fields: { owner: victim, name: 'Mona' } }), user: victim }
  const asAda = { ...goodRequest(), user: victim, operations: [{ ...lead, id: idOf(), tx: txOf() }] }
  const response = await post(server, {
    name: 'of ada',
    body: JSON.stringify(asAda),
    headers: { authorization: `Bearer ${victim}` },
  })
  expect((await response.json()).outcomes).toMatchObject([{ kind: 'applied' }])
  return { server, address: database }
}

function post(server: Server, { path: at = '/sync', body, headers }: Hostile): Promise<Response> {
  return server.fetch(
    new Request(`http://hostile${at}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${attacker}`, ...headers },
      body,
    }),
  )
}

let made = 0
function next(): number {
  made += 1
  return made
}

const idOf = (): string => `01900000-0000-7000-8000-${next().toString(16).padStart(12, '0')}`
const txOf = () => ({ id: idOf(), index: 0, count: 1 })
const device = '01900000-0000-7000-8000-ffffffffffff'

function operationOf(change: object): object {
  return {
    id: idOf(),
    user: attacker,
    device,
    seq: next(),
    tx: txOf(),
    collection: 'leads',
    record: `lead ${made}`,
    kind: 'create',
    fields: { owner: attacker, name: 'Mo', note: 'a note' },
    was: {},
    base: { generation: null, version: 0 },
    time: { at: 1_795_000_000_000, epoch: 0, hlc: [1_795_000_000_000, 0] },
    schemaVersion: 1,
    ...change,
  }
}

function goodRequest() {
  return {
    protocol: 1,
    schema: 1,
    user: attacker,
    device,
    clock: { now: Date.now(), epoch: 0, earlier: [[1, 5]] },
    pending: 0,
    operations: [operationOf({}), operationOf({ fields: { owner: attacker, name: 'Lo' }, replaces: [idOf()] })],
  }
}

type Good = ReturnType<typeof goodRequest>

/** Each member of a good request in turn is each of these. */
const nasty: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  -0,
  2 ** 53 + 2,
  Number.MAX_VALUE,
  1e21,
  '',
  'x'.repeat(100_000),
  '\u0000',
  '\ud800',
  'constructor',
  '__proto__',
  '"id"; drop table leads',
  "' or 1=1 --",
  'pg_catalog.pg_class',
  'sqlite_master',
  '_operations',
  '../../etc/passwd',
  'caf\u0065\u0301',
  'ADA',
  '9999-12-31T23:59:59Z',
  'infinity',
  [],
  {},
  [[[[[[]]]]]],
  { __proto: 1, constructor: { prototype: { polluted: true } } },
  Array(1_000).fill(0),
]

function mutations(good: Good, cursor: string): readonly Hostile[] {
  const paths = pathsOf(good)
  const changed = paths.flatMap((at) => [
    ...nasty.map((value, index) => ({
      name: `${at.join('.')} = nasty ${index}`,
      body: JSON.stringify(changedAt(good, at, () => value)),
    })),
    { name: `${at.join('.')} left out`, body: JSON.stringify(changedAt(good, at, () => undefined)) },
    {
      name: `__proto__ beside ${at.join('.')}`,
      body: JSON.stringify(changedAt(good, at, (value) => ({ '': value }))).replace('"":', '"__proto__":'),
    },
    { name: `1e400 at ${at.join('.')}`, body: JSON.stringify(changedAt(good, at, () => '#')).replace('"#"', '1e400') },
  ])
  const bits = [...cursor].flatMap((letter, at) =>
    [1, 2, 4, 8, 16, 32].map((bit) => {
      const flipped = cursor.slice(0, at) + String.fromCharCode(letter.charCodeAt(0) ^ bit) + cursor.slice(at + 1)
      return { name: `cursor ${flipped}`, body: JSON.stringify({ ...good, operations: [], cursor: flipped }) }
    }),
  )
  const elsewhere = [
    '/rescue',
    '/poke',
    '/snapshot/x/0',
    '/snapshot/../../0',
    '/sync/x',
    '/demo/sign-in',
    '/health',
  ].flatMap((at) =>
    [JSON.stringify(good), '', '{}', 'null'].map((body) => ({ name: `${at} ${body.length}`, path: at, body })),
  )
  return [...changed, ...bits, ...elsewhere]
}

function truncations(good: Good): readonly Hostile[] {
  const text = JSON.stringify(good)
  return Array.from({ length: text.length }, (_, end) => ({ name: `cut at ${end}`, body: text.slice(0, end) }))
}

function flips(good: Good): readonly Hostile[] {
  const random = createSeededRandom(25)
  const bytes = Buffer.from(JSON.stringify(good))
  return Array.from({ length: bitFlips }, (_, number) => {
    const flipped = new Uint8Array(bytes)
    const at = Math.floor(random.next() * flipped.length)
    flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random.next() * 8))
    return { name: `flip ${number} at ${at}`, body: flipped }
  })
}

function encodings(good: Good): readonly Hostile[] {
  const text = JSON.stringify(good)
  const zipped = new Uint8Array(gzipSync(text))
  const gzip = { 'content-encoding': 'gzip' }
  return [
    { name: 'gzip of gzip', body: new Uint8Array(gzipSync(zipped)), headers: gzip },
    { name: 'gzip with a tail', body: new Uint8Array([...zipped, 1, 2, 3]), headers: gzip },
    { name: 'gzip that is said to be brotli', body: zipped, headers: { 'content-encoding': 'br' } },
    { name: 'two encodings', body: zipped, headers: { 'content-encoding': 'gzip, gzip' } },
    { name: 'UTF-16', body: new Uint8Array(Buffer.from(text, 'utf16le')) },
    { name: 'a mark of byte order', body: `\ufeff${text}` },
    { name: 'duplicate keys', body: text.replace('"user"', '"user":"ada","user"') },
    { name: 'a foreign user', body: text.replaceAll(attacker, victim) },
  ]
}

/** What takes little to send and much to hold, if one lets it. */
function bombs(good: Good): readonly Hostile[] {
  const gzip = { 'content-encoding': 'gzip' }
  const withMember = (value: string) => `${JSON.stringify({ ...good, operations: [] }).slice(0, -1)},"x":${value}}`
  const filled = (piece: string) => `[${piece.repeat(Math.floor((batchBytesMax - 2_000) / piece.length))}0]`
  const rescue = (value: string) =>
    `${rescueText({ user: attacker, device, exportedAt: 1, schema: 1, clock: null, items: [] } as never)
      .trimEnd()
      .slice(0, -1)},"x":${value}}`
  return [
    {
      name: 'a gigabyte of zeros in a megabyte',
      body: new Uint8Array(gzipSync(Buffer.alloc(1_000_000_000))),
      headers: gzip,
    },
    { name: 'eight mebibytes of empty objects', body: withMember(filled('{},')) },
    { name: 'of empty lists', body: withMember(filled('[],')) },
    { name: 'of lists of one', body: withMember(filled('[0],')) },
    { name: 'of numbers', body: withMember(filled('1,')) },
    { name: 'of short texts', body: withMember(filled('"ab",')) },
    {
      name: 'of keys',
      body: withMember(`{${keys(700_000)}}`),
    },
    { name: 'of operations that are none', body: `{"operations":${filled('{"id":1},')}}` },
    { name: 'the same, in gzip', body: new Uint8Array(gzipSync(withMember(filled('{},')))), headers: gzip },
    { name: 'nearly as many objects as one may send', body: withMember(`[${'{},'.repeat(390_000)}0]`) },
    { name: 'nearly as many texts', body: withMember(`[${'"ab",'.repeat(790_000)}0]`) },
    { name: 'nearly as many keys', body: withMember(`{${keys(390_000)}}`) },
    { name: 'a million levels', body: '['.repeat(1_000_000) },
    { name: 'a body without an end of its number', body: ' '.repeat(batchBytesMax + 1) },
    { name: 'a rescue file of empty objects', path: '/rescue', body: rescue(filled('{},')) },
  ]
}

function keys(count: number): string {
  return Array.from({ length: count }, (_, key) => `"${key.toString(36)}":0`).join()
}

/** What no client of ours would send, past `fetch`: the server closes the line and goes on. */
async function rawRequests(port: number): Promise<void> {
  const raw = [
    'POST /sync HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef',
    'POST /sync HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    'POST /sync HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n',
    'POST /sync HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n',
    `GET /${'x'.repeat(100_000)} HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET /health HTTP/1.1\r\nhost: x\r\n${'a: b\r\n'.repeat(10_000)}\r\n`,
    'GET http://[::1 HTTP/1.1\r\nhost: x\r\n\r\n',
    'GET // HTTP/1.1\r\nhost: \u0000\r\n\r\n',
    '\u0016\u0003\u0001',
  ]
  for (const text of raw) {
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text))
      const end = setTimeout(() => socket.destroy(), 300)
      socket.on('data', () => socket.end())
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearTimeout(end)
        resolve()
      })
    })
  }
}

function residentMiB(pid: number, name: 'VmRSS' | 'VmHWM'): number {
  const [, kibibytes] = new RegExp(`${name}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) / 1_024
}

type Path = readonly (string | number)[]

function pathsOf(value: unknown, at: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return at.length === 0 ? [] : [at]
  const inner = Object.entries(value).flatMap(([key, child]) =>
    pathsOf(child, [...at, Array.isArray(value) ? Number(key) : key]),
  )
  return at.length === 0 ? inner : [at, ...inner]
}

/** A copy in which the value at this path is another one; `undefined` takes it out. */
function changedAt(value: unknown, [key, ...rest]: Path, change: (value: unknown) => unknown): unknown {
  if (key === undefined) return change(value)
  if (Array.isArray(value)) return value.map((item, index) => (index === key ? changedAt(item, rest, change) : item))
  const object = value as { readonly [member: string]: unknown }
  return { ...object, [key]: changedAt(object[String(key)], rest, change) }
}
