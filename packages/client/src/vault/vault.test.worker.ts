/** An app's worker file, and in place of the network a server that tells the page what it was sent, and remembers a device. */
import { collection, defineSchema, t } from '@holdfast/core'
import { startWorker } from '../worker/index.ts'

const schema = defineSchema({
  version: 1,
  collections: { leads: collection({ fields: { name: t.text({ min: 1 }), note: t.text({ default: '' }) } }) },
})

/** What the page hears of each request. */
export interface Sent {
  readonly path: string
  readonly body: {
    readonly user: string
    readonly device: string
    readonly pending?: number
    readonly previousDevice?: string
    readonly cursor?: string
    readonly operations?: readonly { readonly id: string; readonly user: string }[]
  }
}

/** What every previous device had told. */
export const reported = { pending: 7, at: 1_795_000_000_000 }

const seen = new BroadcastChannel('vault-test-server')
let commits = 0

globalThis.fetch = async (input, init) => {
  const path = new URL(String(input)).pathname
  if (path.endsWith('/health')) return json({ ok: true })
  if (path.endsWith('/poke')) return new Response(null, { status: 503 })
  const body: Sent['body'] = JSON.parse(await readBody(init?.body))
  seen.postMessage({ path, body } satisfies Sent)
  if (path.includes('/nobody/')) throw new TypeError('no network')
  commits += 1
  const outcomes = (body.operations ?? []).map(({ id }) => ({ kind: 'applied', id, version: 1, place: commits }))
  const previous = body.previousDevice === undefined ? {} : { previous: reported }
  return json({
    generation: 'gen1',
    serverTime: Date.now(),
    through: commits,
    cursor: `c${commits}`,
    outcomes,
    ...previous,
  })
}

function readBody(body: BodyInit | null | undefined): Promise<string> {
  if (typeof body === 'string') return Promise.resolve(body)
  const stream = new Response(body).body?.pipeThrough(new DecompressionStream('gzip'))
  return new Response(stream).text()
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } })
}

startWorker(schema)
