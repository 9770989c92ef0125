/** An app's worker file, and in place of the network a server that settles everything and tells the page what it was asked. */
import { collection, defineSchema, t } from '@holdfast/core'
import { startWorker } from './index.ts'

const schema = defineSchema({
  version: 1,
  collections: { leads: collection({ fields: { name: t.text({ min: 1 }), isHot: t.boolean({ default: false }) } }) },
})

export interface Asked {
  readonly path: string
  readonly token: string | null
  readonly operations: number
}

const seen = new BroadcastChannel('tabs-test-server')
let commits = 0

globalThis.fetch = async (input, init) => {
  const path = new URL(String(input)).pathname
  if (path.endsWith('/health')) return json({ ok: true })
  if (path.endsWith('/poke')) return new Response(null, { status: 503 })
  const token = new Headers(init?.headers).get('authorization')
  const body = JSON.parse(await readBody(init?.body))
  const operations: readonly { readonly id: string }[] = body.operations ?? []
  seen.postMessage({ path, token, operations: operations.length } satisfies Asked)
  if (path.includes('/nobody/')) throw new TypeError('no network')
  commits += 1
  const outcomes = operations.map(({ id }) => ({ kind: 'applied', id, version: 1, place: commits }))
  return json({ generation: 'gen1', serverTime: Date.now(), through: commits, cursor: `c${commits}`, outcomes })
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
