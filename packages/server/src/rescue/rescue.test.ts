import { gzipSync } from 'node:zlib'
import {
  type Operation,
  operationText,
  parseDeviceId,
  parseProblem,
  parseUserId,
  type RescueFile,
  rescueBytesMax,
  rescueText,
} from '@holdfast/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDevice, type Device, lead, startTestServer, type TestServer, unit } from '../server.test.kit.ts'

let server: TestServer
let ali: Device
beforeEach(async () => {
  server = await startTestServer({
    rescue: (sender, owner) => (sender.claims.role === 'manager' ? { userId: owner, claims: {} } : null),
  })
  ali = createDevice('ali', 1)
})
afterEach(() => server.dispose())

function fileOf(operations: readonly Operation[], user = 'ali', clock: RescueFile['clock'] = null): string {
  return rescueText({
    user: parseUserId(user),
    device: parseDeviceId(ali.id),
    exportedAt: 1_795_000_000_000,
    schema: 1,
    clock,
    items: operations.map((operation) => ({ text: operationText(operation), refused: null })),
  })
}

async function bring(user: string | null, body: BodyInit, headers: { readonly [name: string]: string } = {}) {
  const authorization: { readonly [name: string]: string } =
    user === null ? {} : { authorization: `Bearer ${await server.token(user)}` }
  const request = new Request('http://test/rescue', { method: 'POST', headers: { ...authorization, ...headers }, body })
  const response = await server.server.fetch(request)
  const answer: unknown = await response.json()
  if (response.status !== 200) return `${response.status} ${parseProblem(answer)?.code ?? 'not ours'}`
  return (answer as { outcomes: { outcome: { kind: string; code?: string } }[] }).outcomes.map(({ outcome }) =>
    outcome.code === undefined ? outcome.kind : `${outcome.kind} ${outcome.code}`,
  )
}

async function leads(user = 'ali') {
  const { reply } = await server.round(user, [])
  const rows = reply.changes.flatMap(({ collection, columns, rows }) =>
    collection === 'leads' ? rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]]))) : [],
  )
  return rows.map(({ id, name, visits }) => [id, name, visits]).sort()
}

test('[RI1] [I-5] what had arrived counts once, what had not is applied or refused; a file that comes twice counts once', async () => {
  const create = ali.create('l1', lead)
  const visit = ali.increment('l1', { visits: 1 })
  await server.round('ali', [create, visit])
  const later = ali.increment('l1', { visits: 10 })
  const bad = ali.update('l1', { name: 'x'.repeat(21) })
  const file = fileOf([create, visit, later, bad])
  const answers = ['applied', 'applied', 'applied', 'rejected INVALID_VALUE']
  expect(await bring('ali', file)).toEqual(answers)
  expect(await leads()).toEqual([['l1', 'Mona', 11]])
  expect(await bring('ali', file)).toEqual(answers)
  expect(await leads()).toEqual([['l1', 'Mona', 11]])
  // The device that was thought lost sends it after all.
  const { reply } = await server.round('ali', [later])
  expect(reply.outcomes).toMatchObject([{ kind: 'applied', id: later.id }])
  expect(await leads()).toEqual([['l1', 'Mona', 11]])
})

test('[RI2] [I-8] a transaction takes effect whole; one of which the file holds a part is refused alone', async () => {
  const [first, second] = unit(ali.create('l1', lead), ali.create('l2', lead))
  const torn = unit(ali.create('l3', lead), ali.create('l4', lead)).slice(1)
  const refusedUnit = unit(ali.create('l5', lead), ali.update('nobody', { name: 'x' }))
  const single = ali.create('l6', lead)
  if (first === undefined || second === undefined) throw new Error('a unit of two')
  const answers = await bring('ali', fileOf([second, first, ...torn, ...refusedUnit, single]))
  expect(answers).toEqual([
    'applied',
    'applied',
    'rejected TRANSACTION_INCOMPLETE',
    'blocked',
    'rejected NOT_FOUND',
    'applied',
  ])
  expect((await leads()).map(([id]) => id)).toEqual(['l1', 'l2', 'l6'])
})

test('[RI3] [I-26] only its own user brings a file, or whom the app lets, and then by the rights of its user', async () => {
  const eve = createDevice('eve', 2)
  const file = fileOf([ali.create('l1', lead)])
  expect(await bring(null, file)).toBe('401 UNAUTHENTICATED')
  expect(await bring('eve', file)).toBe('403 USER_MISMATCH')
  // Whose operations these are cannot be hidden in the head of the file.
  expect(await bring('eve', fileOf([ali.create('l1', lead)], 'eve'))).toBe('403 USER_MISMATCH')
  expect(await leads()).toEqual([])
  // What eve may not write, a manager does not write for her either.
  const hers = [eve.create('e1', { ...lead, owner: 'eve' }), eve.create('e2', lead)]
  expect(await bring('manager', fileOf(hers, 'eve'))).toEqual(['applied', 'rejected FORBIDDEN'])
  const owner = { userId: parseUserId('ali'), claims: {} }
  await expect(server.server.importRescue(JSON.parse(fileOf(hers, 'eve')), owner)).rejects.toMatchObject({
    code: 'USER_MISMATCH',
  })
  const report = await server.server.importRescue(JSON.parse(file), owner)
  expect(report).toMatchObject({
    user: 'ali',
    outcomes: [{ record: 'l1', kind: 'create', outcome: { kind: 'applied' } }],
  })
})

test('[RF1] hostile files are refused whole, and change nothing', async () => {
  const good = fileOf([ali.create('l1', lead)])
  const half = good.slice(0, good.length / 2)
  const mixed = JSON.parse(good)
  mixed.items.push({ operation: { ...mixed.items[0].operation, id: 'x' } })
  const deep = good.replace('"fields":{', `"more":${'['.repeat(20_000)}${']'.repeat(20_000)},"fields":{`)
  const answers = [
    await bring('ali', half),
    await bring('ali', '<html>'),
    await bring('ali', JSON.stringify(mixed)),
    await bring('ali', deep),
    await bring('ali', gzipSync(Buffer.alloc(rescueBytesMax + 1, 32)), { 'content-encoding': 'gzip' }),
  ]
  expect(answers).toEqual(['400 MALFORMED', '400 MALFORMED', '400 MALFORMED', '400 MALFORMED', '413 TOO_LARGE'])
  expect(await leads()).toEqual([])
  expect(await bring('ali', gzipSync(good), { 'content-encoding': 'gzip' })).toEqual(['applied'])
})

test('[RI4] [I-21] operations are dated by what the file says of its device’s clock, and none beyond now', async () => {
  const hour = 3_600_000
  const write = (record: string, at: number, epoch: number) =>
    ali.create(record, lead, { time: { at, epoch, hlc: { ms: at, counter: 0 } } })
  const realMs = Date.now() - 10 * hour
  // Slow by an hour, then fast by two.
  const clock = {
    nowMs: realMs + 2 * hour,
    epoch: 2,
    offsetMs: -2 * hour,
    guessedFrom: 2,
    earlier: [[0, hour]],
  } as const
  const operations = [
    write('l1', realMs - hour, 1),
    write('l2', realMs + 2 * hour, 2),
    write('l3', realMs + 500 * hour, 2),
  ]
  expect(await bring('ali', fileOf(operations, 'ali', clock))).toEqual(['applied', 'applied', 'applied'])
  const { reply } = await server.round('ali', [])
  const page = reply.changes.find(({ collection }) => collection === 'leads')
  const at = page?.columns.indexOf('createdAt') ?? -1
  const dates = new Map(page?.rows.map((row) => [row[0], Number(row[at])]))
  expect([dates.get('l1'), dates.get('l2')]).toEqual([realMs, realMs])
  expect(dates.get('l3')).toBeLessThanOrEqual(Date.now() + 60_000)
})

test('[RI5] [I-5] what hangs on what waits, waits, also when it is a batch behind: the file comes in whole once the cause is mended', async () => {
  const owner = { userId: parseUserId('ali'), claims: {} }
  const many = Array.from({ length: 5_000 }, (_, index) => ali.create(`l${index}`, lead))
  const operations = [
    ali.create('r1', { ...lead, name: 'Poison' }),
    ali.create('r2', { ...lead, name: '' }),
    ...many,
    ali.update('r1', { stage: 'won' }),
    ali.update('r2', { stage: 'won' }),
  ]
  const file = JSON.parse(fileOf(operations))
  const told = async () => {
    const { outcomes } = await server.server.importRescue(file, owner)
    return [...outcomes.slice(0, 2), ...outcomes.slice(-2)].map(({ outcome }) => outcome.kind)
  }
  await server.dispose()
  let isBroken = true
  const write = ({ after }: { readonly after: { readonly name: string } | null }) => {
    if (isBroken && after?.name === 'Poison') throw new TypeError('a defect')
    return true
  }
  server = await startTestServer({ rules: { leads: { write } } })
  expect(await told()).toEqual(['waiting', 'rejected', 'waiting', 'blocked'])
  isBroken = false
  expect(await told()).toEqual(['applied', 'rejected', 'applied', 'blocked'])
})

test('a queue that is longer than a batch comes in whole', async () => {
  const many = Array.from({ length: 5_500 }, (_, index) => ali.create(`l${index}`, lead))
  const answers = await bring('ali', fileOf(many))
  expect(answers).toHaveLength(5_500)
  expect(new Set(answers)).toEqual(new Set(['applied']))
})
