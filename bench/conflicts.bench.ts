import path from 'node:path'
import type { Client, DecisionItem } from '@holdfast/client'
import { nodeSqlite } from '@holdfast/client/node'
import type { Crm } from '../apps/crm/src/schema.ts'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { isComplete, openDevice, whenStatus } from './harness/device.ts'
import { figure } from './harness/measure.ts'
import { scratchDirectory } from './harness/scratch.ts'
import { startServer, tokenOf } from './harness/server.ts'
import { seedEmbedded } from './harness/stores.ts'
import { type Lead, leads, type Random, random } from './workload.ts'

export const name = 'conflicts'
export const question =
  'Two people edit the same leads, one of them offline at a time: how often does a person have to settle it?'

/** The leads that two people share: an agent, and who answers the phone in the office. */
const leadCount = 2_000
/** Four fifths of the edits go to one fifth of the leads. */
const hot = { share: 0.2, weight: 0.8 }
/** What each of the two edits while one of them is without a network: half a day. */
const shiftEdits = 50
/** Edits that are written at once, each to another lead. */
const chunkEdits = 10

type Text = 'phone' | 'email' | 'district'
type Edited = 'stage' | 'budget' | 'notes' | Text

/** An edit of one field with what its writer saw, or one visit more. */
interface Write {
  readonly record: string
  readonly field: Edited
  readonly value: string | number
  readonly was: string | number
}

interface Counts {
  edits: number
  /** Edits of a lead that the other person had edited since its writer last heard of the server. */
  met: number
  asked: number
}

export async function run({ isQuick, log }: BenchOptions): Promise<Result> {
  const edits = isQuick ? 2_000 : 100_000
  const rows = leads(isQuick ? 200 : leadCount, 3)
  const store = await seedEmbedded(rows)
  const server = await startServer(await store.copy('served'))
  const devices = [await open(server.url, 'agent-7'), await open(server.url, 'office')] as const
  const start = performance.now()
  const work = createWork(rows)
  const counts: Counts = { edits: 0, met: 0, asked: 0 }
  for (let shift = 0; counts.edits < edits; shift += 1) {
    const [offline, online] = shift % 2 === 0 ? devices : [devices[1], devices[0]]
    await runShift({ offline, online, work, counts })
    if (shift % 100 === 99) log(`${counts.edits.toLocaleString('en')} edits, ${counts.asked} questions`)
  }
  const seconds = (performance.now() - start) / 1_000
  const { dropped, settled } = await check(devices, rows, work)
  for (const device of devices) await device.close()
  await server.stop()
  return {
    lines: [
      line('conflicts settled without a person', '%', 100 * (1 - counts.asked / counts.met)),
      line('edits', 'edits', counts.edits),
      line('conflicts', 'edits', counts.met),
      line('questions to a person', 'edits', counts.asked),
      line('values dropped by a strategy, each in a decision', 'values', dropped),
      line('values dropped by a person, each in a decision', 'values', settled),
      line('duration', 's', seconds),
    ],
    notes: [
      'A conflict is an edit that reached the server for a lead that the other device had edited since the writer last synced: other fields of it, a counter, or the same field.',
      'It is settled without a person unless a question was opened, which happens when both wrote the notes (manual); other fields are merged field by field, the same one by last write wins, visits add up.',
      `Of all edits ${((100 * counts.asked) / counts.edits).toFixed(2)}% became a question. The figure to compare with, 99.7% of conflicts, came without saying what a conflict is; ours moves with the square of the share of edits that go to a manual field.`,
      `${rows.length.toLocaleString('en')} leads, four fifths of the edits on one fifth of them; ${shiftEdits} edits by each device while one of them is offline; by field: stage 35%, visits 20%, notes 15%, budget 15%, contact 15%. Two real clients, the real server on the embedded store.`,
      'Checked at the end: both devices hold the same; every value that was written is in its lead, was written over by somebody who had seen it, or is in a decision; every visit counts.',
    ],
  }
}

interface Shift {
  readonly offline: Client<Crm>
  readonly online: Client<Crm>
  readonly work: Work
  readonly counts: Counts
}

async function runShift({ offline, online, work, counts }: Shift): Promise<void> {
  await offline.sync.pause()
  const touched = new Set<string>()
  for (let done = 0; done < shiftEdits; done += chunkEdits) {
    const here = await work.write(offline)
    const there = await work.write(online)
    // Whether the online edit comes before or after the offline one: the latter reaches the server last, and without having seen it.
    for (const record of there) touched.add(record)
    counts.edits += here.length + there.length
    work.pending.push(...here)
  }
  await arrived(online)
  counts.met += work.pending.splice(0).filter((record) => touched.has(record)).length
  await arrived(offline)
  await arrived(online)
  counts.asked += await settleAll(offline, work)
  await arrived(offline)
  await arrived(online)
}

/** All that waits is sent, and all that others sent is here. */
async function arrived(client: Client<Crm>): Promise<void> {
  await client.sync.resume()
  await whenStatus(client, ({ pending }) => pending === 0)
  await client.sync.now()
  const { refused } = client.sync.status
  if (refused > 0) throw new Error(`${refused} edits were refused.`)
}

/** Who wrote last answers: mine, theirs, or both. */
async function settleAll(client: Client<Crm>, work: Work): Promise<number> {
  const open = await client.conflicts.list()
  for (const { id, record, field, local, remote } of open) {
    if (field !== 'notes' || typeof local !== 'string' || typeof remote !== 'string') {
      throw new Error(`A question about ${field} was not expected.`)
    }
    const result = work.pick([local, remote, `${remote}\n${local}`])
    await client.conflicts.settle({ [id]: result })
    if (result !== remote) work.writes.push({ record, field, value: result, was: remote })
  }
  return open.length
}

interface Work {
  /** Writes one chunk on this device; answers the leads. */
  write(client: Client<Crm>): Promise<readonly string[]>
  pick<T>(list: readonly T[]): T
  readonly writes: Write[]
  readonly visits: Map<string, number>
  /** Leads of the offline edits of this shift, one entry an edit. */
  readonly pending: string[]
}

function createWork(rows: readonly Lead[]): Work {
  const next = random(7)
  const writes: Write[] = []
  const visits = new Map<string, number>()
  const pick = <T>(list: readonly T[]): T => pickOf(next, list)

  async function write(client: Client<Crm>): Promise<readonly string[]> {
    const ids = new Set<string>()
    while (ids.size < chunkEdits) ids.add(leadOf(next, rows).id)
    const shown = await client.query((q) =>
      q
        .selectFrom('leads')
        .selectAll()
        .where('id', 'in', [...ids]),
    )
    const saved = shown.map((row) => {
      const edit = editOf(next, writes.length)
      if (edit === 'visit') {
        visits.set(row.id, (visits.get(row.id) ?? 0) + 1)
        return client.leads.increment(row.id, { visits: 1 })
      }
      const { field, value } = edit
      if (row[field] === value) return null
      writes.push({ record: row.id, field, value, was: row[field] })
      return client.leads.update(row.id, { [field]: value })
    })
    await Promise.all(saved)
    return shown.map(({ id }) => id)
  }

  return { write, pick, writes, visits, pending: [] }
}

function leadOf(next: Random, rows: readonly Lead[]): Lead {
  const border = Math.floor(rows.length * hot.share)
  const list = next() < hot.weight ? rows.slice(0, border) : rows.slice(border)
  return pickOf(next, list)
}

const stages = ['new', 'contacted', 'qualified', 'visit', 'negotiation', 'reserved', 'won', 'lost'] as const

function editOf(next: Random, index: number): 'visit' | Pick<Write, 'field' | 'value'> {
  const roll = next()
  if (roll < 0.35) return { field: 'stage', value: pickOf(next, stages) }
  if (roll < 0.55) return 'visit'
  if (roll < 0.7) return { field: 'notes', value: `call ${index}: asks for a garden` }
  if (roll < 0.85) return { field: 'budget', value: 500_000 + index }
  return { field: pickOf(next, ['phone', 'email', 'district'] as const), value: `given in call ${index}` }
}

function pickOf<T>(next: Random, list: readonly T[]): T {
  const picked = list[Math.floor(next() * list.length)]
  if (picked === undefined) throw new Error('A pick needs a list with something in it.')
  return picked
}

/** Throws where a value went without a trace. Answers how many values were dropped, by strategies and by people. */
async function check(devices: readonly Client<Crm>[], rows: readonly Lead[], { writes, visits }: Work) {
  const [first, second] = await Promise.all(devices.map(stateOf))
  if (first === undefined || second === undefined) throw new Error('There are two devices.')
  if (JSON.stringify(first.leads) !== JSON.stringify(second.leads)) throw new Error('The devices differ.')
  const [one, other] = devices
  if (one === undefined || other === undefined) throw new Error('There are two devices.')
  const told = new Set<string>()
  let dropped = 0
  let settled = 0
  for (const { id } of rows) {
    const decisions = await one.history.list('leads', id)
    if (decisions.length !== (await other.history.list('leads', id)).length) throw new Error('The histories differ.')
    for (const decision of decisions) {
      if (decision.settledBy === null) dropped += decision.dropped.length
      else settled += decision.dropped.length
      for (const key of keysOf(id, decision)) told.add(key)
    }
  }
  const seen = new Set(writes.map(({ record, field, was }) => keyOf(record, field, was)))
  const values = new Map(first.leads.map((lead) => [lead.id, lead]))
  const vanished = writes.filter(({ record, field, value }) => {
    const key = keyOf(record, field, value)
    return values.get(record)?.[field] !== value && !seen.has(key) && !told.has(key)
  })
  if (vanished.length > 0)
    throw new Error(`${vanished.length} values vanished: ${JSON.stringify(vanished.slice(0, 3))}`)
  for (const [id, count] of visits) {
    if (values.get(id)?.visits !== count) throw new Error(`${values.get(id)?.visits} visits of ${count}.`)
  }
  return { dropped, settled }
}

async function stateOf(client: Client<Crm>) {
  const open = await client.conflicts.list()
  if (open.length > 0) throw new Error('A question is open.')
  return { leads: await client.query((q) => q.selectFrom('leads').selectAll().orderBy('id')) }
}

function keysOf(record: string, { field, local, remote }: DecisionItem): readonly string[] {
  return [keyOf(record, field, local), keyOf(record, field, remote)]
}

function keyOf(record: string, field: string, value: unknown): string {
  return JSON.stringify([record, field, value])
}

async function open(url: string, user: string): Promise<Client<Crm>> {
  const token = await tokenOf(user)
  const driver = nodeSqlite(path.join(scratchDirectory('device'), 'device.sqlite3'))
  const client = await openDevice({ url, user, driver, token: async () => token })
  await whenStatus(client, isComplete)
  return client
}

function line(lineName: string, unit: Line['unit'], value: number): Line {
  return { name: lineName, unit, ours: figure([value]), limit: null, target: { kind: 'none' } }
}
