/** The server on a port of this machine, with the files of a built app beside it. */

import { EngineError, UsageError } from '@holdfast/core'
import { createAdaptorServer } from '@hono/node-server'
import type { Server } from './create-server.ts'
import { isServerPath } from './http/app.ts'
import { type Assets, createAssets } from './http/assets.ts'
import { problemResponse } from './http/status.ts'
import { nodeSystem } from './system/node-system.ts'

export interface ServeOptions {
  /** 3000 when it is left out; 0 takes a free one. */
  readonly port?: number
  /** Which address to listen on; every one when it is left out. */
  readonly host?: string
  /** Directory of a built web app. */
  readonly assets?: string
}

export interface Serving {
  readonly port: number
  /** On this machine. */
  readonly url: string
  /** Takes no more requests, finishes those under way, closes the store. */
  close(): Promise<void>
}

/** Starts the server (opens its store) and listens. Throws UsageError when the port is taken. */
export async function serve(server: Server, options: ServeOptions = {}): Promise<Serving> {
  const assets = options.assets === undefined ? null : createAssets(options.assets)
  await server.start()
  const listener = createAdaptorServer({
    fetch: (request) => answer(server, assets, request),
    serverOptions: { requestTimeout: requestMsMax, headersTimeout: headersMsMax },
  })
  try {
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject)
      listener.listen(options.port ?? 3000, options.host, resolve)
    })
  } catch (error) {
    await server.close()
    throw listenProblem(error, options)
  }
  const address = listener.address()
  const port = typeof address === 'object' && address !== null ? address.port : (options.port ?? 3000)
  return {
    port,
    url: `http://${options.host ?? 'localhost'}:${port}`,
    close: async () => {
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

/** A batch of 8 MiB on a slow line; then the line is not coming back. */
const requestMsMax = 120_000
const headersMsMax = 20_000

async function answer(server: Server, assets: Assets | null, request: Request): Promise<Response> {
  if (assets === null || isServerPath(new URL(request.url).pathname)) return server.fetch(request)
  return (
    (await assets.respond(request)) ??
    problemResponse(new EngineError('NOT_FOUND', 'There is nothing at this address.'))
  )
}

function listenProblem(error: unknown, { port = 3000, host }: ServeOptions): unknown {
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
