/**
 * An app's worker file, and in place of the network a server with a snapshot: four parts of 500 leads, compressed as a server sends them.
 * The third is held until the page says so.
 */
import { collection, defineSchema, t } from '@holdfast/core'
import { startWorker } from './index.ts'

const schema = defineSchema({
  version: 1,
  collections: { leads: collection({ fields: { name: t.text({ min: 1 }) }, search: ['name'] }) },
})

/** What the page hears: a part that is asked for, or what a `POST /sync` pulls and how many operations it brings. */
export type Heard = { readonly part: number } | { readonly pull: string; readonly operations: number }

export const partCount = 4
export const rowsOfPart = 500
const heldPart = 2

const server = new BroadcastChannel('snapshot-test-server')
let release = () => {}
const released = new Promise<void>((resolve) => {
  release = resolve
})
server.onmessage = () => release()

globalThis.fetch = async (input, init) => {
  const path = new URL(String(input)).pathname
  if (path.endsWith('/health')) return json({ ok: true })
  if (path.endsWith('/poke')) return new Response(null, { status: 503 })
  const [, part] = /\/snapshot\/\w{32}\/(\d+)$/.exec(path) ?? []
  if (part !== undefined) return givePart(Number(part))
  const { pull = 'page', operations = [] } = JSON.parse(String(init?.body))
  server.postMessage({ pull, operations: operations.length } satisfies Heard)
  const outcomes = operations.map(({ id }: { readonly id: string }) => ({ kind: 'applied', id, version: 1, place: 9 }))
  const rows = partCount * rowsOfPart
  const offer = { snapshot: { id: 'a'.repeat(32), parts: partCount, rows }, more: true, remaining: rows }
  const said = pull === 'snapshot' ? offer : pull === 'nothing' ? { more: true } : { cursor: 'end' }
  return json({ generation: 'gen1', serverTime: 1_795_000_000_000, through: 1, outcomes, ...said })
}

async function givePart(part: number): Promise<Response> {
  server.postMessage({ part } satisfies Heard)
  if (part === heldPart) await released
  const numbers = Array.from({ length: rowsOfPart }, (_, n) => part * rowsOfPart + n)
  const times = numbers.map(() => 1)
  const values = [numbers.map((n) => `lead-${n}`), times, times, times, numbers.map((n) => `Lead ${n}`)]
  const columns = ['id', '$version', 'createdAt', 'updatedAt', 'name']
  return json({ cursor: `part${part}`, changes: [{ collection: 'leads', columns, values }] })
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } })
}

startWorker(schema)
