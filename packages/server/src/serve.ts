/** The server on a port of this machine, with the files of a built app beside it. */

import { EngineError, UsageError } from '@holdfast/core'
import { createAdaptorServer } from '@hono/node-server'
import type { Server } from './create-server.ts'
import { isServerPath } from './http/app.ts'
import { type Assets, createAssets } from './http/assets.ts'
import { closeSlowReaders } from './http/slow-readers.ts'
import { problemResponse } from './http/status.ts'
import { nodeSystem } from './system/node-system.ts'

export interface ServeOptions {
  /** 3000 when it is left out; 0 takes a free one. */
  readonly port?: number
  /** Which address to listen on; every one when it is left out. */
  readonly host?: string
  /** Directory of a built web app. */
  readonly assets?: string
  /** A port for operators: `/metrics`, and `/livez` and `/readyz` as on the other one. None when it is left out. */
  readonly admin?: { readonly port: number; readonly host?: string }
}

export interface Serving {
  readonly port: number
  /** On this machine. */
  readonly url: string
  /** The port for operators; null: there is none. */
  readonly adminPort: number | null
  /** Takes no more requests, finishes those under way, closes the store. */
  close(): Promise<void>
}

/** Starts the server (opens its store) and listens. Throws UsageError when the port is taken. */
export async function serve(server: Server, options: ServeOptions = {}): Promise<Serving> {
  const assets = options.assets === undefined ? null : createAssets(options.assets)
  await server.start()
  const listener = createAdaptorServer({
    fetch: (request) => answer(server, assets, request),
    serverOptions: {
      requestTimeout: timeoutMs(server.limits.requestMsMax),
      headersTimeout: timeoutMs(server.limits.headersMsMax),
      connectionsCheckingInterval: Math.min(checkMs, server.limits.headersMsMax, server.limits.requestMsMax),
      // A phone that went without a word holds its stream of pokes no longer than this finds out.
      keepAlive: true,
      keepAliveInitialDelay: silentMsMax,
    },
  })
  listener.maxConnections = server.limits.connectionsMax
  const endWatch = closeSlowReaders(listener, server.limits.replyBytesPerSecondMin, nodeSystem)
  const admin =
    options.admin === undefined ? null : createAdaptorServer({ fetch: (request) => answerOperator(server, request) })
  try {
    await listen(listener, { port: 3000, ...options })
    if (admin !== null && options.admin !== undefined) await listen(admin, options.admin)
  } catch (error) {
    endWatch()
    listener.close()
    await server.close()
    throw error
  }
  const port = portOf(listener)
  return {
    port,
    url: `http://${options.host ?? 'localhost'}:${port}`,
    adminPort: admin && portOf(admin),
    close: async () => {
      endWatch()
      admin?.close()
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
      await server.close()
      // What was answered may still be on its way out; a reader that does not read is not waited for.
      const cancel = nodeSystem.after(lastBytesMsMax, () => {
        if ('closeAllConnections' in listener) listener.closeAllConnections()
      })
      if ('closeIdleConnections' in listener) listener.closeIdleConnections()
      await closed
      cancel()
    },
  }
}

const lastBytesMsMax = 2_000

/** How often requests that take too long are looked for. */
const checkMs = 5_000
const silentMsMax = 60_000

/** Node says 0 for no limit. */
function timeoutMs(limitMs: number): number {
  return Number.isFinite(limitMs) ? limitMs : 0
}

async function answer(server: Server, assets: Assets | null, request: Request): Promise<Response> {
  if (assets === null || isServerPath(new URL(request.url).pathname)) return server.fetch(request)
  return (
    (await assets.respond(request)) ??
    problemResponse(new EngineError('NOT_FOUND', 'There is nothing at this address.'))
  )
}

async function answerOperator(server: Server, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url)
  if (pathname === '/livez' || pathname === '/readyz') return server.fetch(request)
  if (pathname !== '/metrics') {
    return problemResponse(new EngineError('NOT_FOUND', 'There are /metrics, /livez and /readyz at this port.'))
  }
  const { contentType, text } = await server.metrics()
  return new Response(text, { headers: { 'content-type': contentType, 'cache-control': 'no-store' } })
}

type Listener = ReturnType<typeof createAdaptorServer>

interface Address {
  readonly port: number
  readonly host?: string
}

/** Throws UsageError where the address cannot be had. */
async function listen(listener: Listener, address: Address): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(address.port, address.host, resolve)
    })
  } catch (error) {
    throw listenProblem(error, address)
  }
}

function portOf(listener: Listener): number {
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('A listener without a port.')
  return address.port
}

function listenProblem(error: unknown, { port, host }: Address): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : null
  if (code === 'EADDRINUSE') {
    return new UsageError(`Port ${port} is taken by another program. Stop it, or choose another port.`, {
      cause: error,
    })
  }
  if (code === 'EACCES') return new UsageError(`Port ${port} may not be used by this account.`, { cause: error })
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new UsageError(`This machine has no address ${host}.`, { cause: error })
  }
  return error
}
