/**
 * A real HTTP server in front of the real one, which keeps what passes and gives the answers that a test asks for: statuses,
 * portals, halves, and replies that are lost after the server has done its work.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { gunzipSync } from 'node:zlib'

export interface Front {
  readonly url: string
  /** Every `POST /sync` so far, oldest first. */
  readonly exchanges: readonly Exchange[]
  /** Stands until it is set again. */
  answerBy(script: Script): void
  close(): Promise<void>
}

export type Script = (asked: Asked) => FrontAnswer | Promise<FrontAnswer>

export interface Asked {
  readonly path: string
  readonly token: string
  /** Ids of the operations of a `POST /sync`. */
  readonly ids: readonly string[]
}

export interface Exchange extends Asked {
  readonly atMs: number
  readonly kind: FrontAnswer['kind']
  /** The server's own reply; null when it was not asked. */
  readonly reply: string | null
}

export type FrontAnswer =
  | { readonly kind: 'pass' }
  /** In place of the server. */
  | {
      readonly kind: 'say'
      readonly status: number
      readonly body: string
      readonly headers?: { readonly [name: string]: string }
    }
  /** The server answers, and the connection ends before a byte of it arrives. */
  | { readonly kind: 'lose' }
  /** The request never arrives. */
  | { readonly kind: 'drop' }
  /** The server answers; half of the text comes, as a whole body or until the connection is cut. */
  | { readonly kind: 'half'; readonly ending: 'whole' | 'cut' }

export const pass: FrontAnswer = { kind: 'pass' }

/** A status with a body as our server writes it. */
export function problem(status: number, code: string, headers: { readonly [name: string]: string } = {}): FrontAnswer {
  const body = JSON.stringify({ error: { code, problem: `made for a test, ${status}.` } })
  return { kind: 'say', status, body, headers: { 'content-type': 'application/json', ...headers } }
}

/** What a portal, a proxy or a gateway says. */
export function page(status: number, headers: { readonly [name: string]: string } = {}): FrontAnswer {
  return {
    kind: 'say',
    status,
    body: '<html>Sign in to the hotel</html>',
    headers: { 'content-type': 'text/html', ...headers },
  }
}

export async function startFront(target: number): Promise<Front> {
  const exchanges: Exchange[] = []
  let script: Script = () => pass

  async function handle(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await bodyOf(incoming)
    const path = new URL(incoming.url ?? '/', 'http://front').pathname
    const asked = {
      path,
      token: String(incoming.headers.authorization).replace('Bearer ', ''),
      ids: idsIn(path, incoming, body),
    }
    const answer = await script(asked)
    const keep = (reply: string | null) => {
      if (path === '/sync') exchanges.push({ ...asked, atMs: performance.now(), kind: answer.kind, reply })
    }
    switch (answer.kind) {
      case 'drop':
        keep(null)
        incoming.socket.destroy()
        return
      case 'say':
        keep(null)
        outgoing.writeHead(answer.status, answer.headers).end(answer.body)
        return
      default:
        await forward(answer, path, { incoming, outgoing, body, keep })
    }
  }

  type Under = {
    readonly incoming: IncomingMessage
    readonly outgoing: ServerResponse
    readonly body: Buffer
    readonly keep: (reply: string | null) => void
  }

  async function forward(answer: FrontAnswer, path: string, { incoming, outgoing, body, keep }: Under): Promise<void> {
    const { 'accept-encoding': _, ...headers } = incoming.headers // What passes is kept as plain text.
    const onward = request({ host: '127.0.0.1', port: target, path: incoming.url, method: incoming.method, headers })
    onward.on('error', () => incoming.socket.destroy())
    outgoing.on('close', () => onward.destroy())
    onward.end(body)
    const [reply] = (await once(onward, 'response')) as [IncomingMessage]
    if (path !== '/sync') {
      outgoing.writeHead(reply.statusCode ?? 0, reply.headers)
      outgoing.flushHeaders()
      reply.pipe(outgoing)
      reply.on('error', () => outgoing.destroy())
      return
    }
    const bytes = await bodyOf(reply)
    keep(bytes.toString())
    if (answer.kind === 'lose') return void incoming.socket.destroy()
    const isHalf = answer.kind === 'half'
    const isCut = isHalf && answer.ending === 'cut'
    const sent = isHalf ? bytes.subarray(0, bytes.length / 2) : bytes
    const length = String(isCut ? bytes.length : sent.length)
    outgoing.writeHead(reply.statusCode ?? 0, { ...reply.headers, 'content-length': length })
    if (!isCut) return void outgoing.end(sent)
    outgoing.write(sent, () => incoming.socket.destroy())
  }

  const server = createServer((incoming, outgoing) => {
    // A server that is stopped, or a device that hung up: no answer.
    handle(incoming, outgoing).catch(() => incoming.socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The front has no port.')
  return {
    url: `http://127.0.0.1:${address.port}`,
    exchanges,
    answerBy(next) {
      script = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function idsIn(path: string, { headers }: IncomingMessage, body: Buffer): readonly string[] {
  if (path !== '/sync') return []
  const text = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
  const { operations = [] }: { readonly operations?: readonly { readonly id: string }[] } = JSON.parse(text.toString())
  return operations.map(({ id }) => id)
}
