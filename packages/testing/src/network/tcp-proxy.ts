/**
 * A real network that fails on command: a TCP proxy in front of a server. Cutting it resets every open connection, streams
 * included, which a browser's own "offline" switch does not do.
 */
import { connect, createServer, type Socket } from 'node:net'

export interface TcpProxy {
  readonly port: number
  /** Resets every open connection and refuses new ones. */
  cut(): void
  /** Accepts connections and never answers them; open ones go silent. */
  swallow(): void
  /** Passes everything on at this rate, in small pieces. */
  slow(bytesPerSecond: number): void
  /** Passes everything on again. Connections that were swallowed stay silent, as they would in the field. */
  restore(): void
  close(): Promise<void>
}

type Mode = 'open' | 'cut' | 'swallow' | 'slow'

/** How often a slow line moves. */
const slowStepMs = 20

/** Listens on `options.port` (0: any free one) of the loopback address and forwards to `options.target` of the same. */
export async function startTcpProxy(options: { readonly target: number; readonly port?: number }): Promise<TcpProxy> {
  let mode: Mode = 'open'
  let stepBytes = 1
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    keep(near)
    if (mode === 'cut') near.resetAndDestroy()
    if (mode === 'swallow') near.resume()
    if (mode === 'cut' || mode === 'swallow') return
    const far = keep(connect(options.target, '127.0.0.1'))
    pass(near, far)
    pass(far, near)
  })

  function keep(socket: Socket): Socket {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    return socket
  }

  function pass(from: Socket, to: Socket): void {
    // What was swallowed is gone: a connection that lost bytes never speaks again.
    let silent = false
    // What a slow line has taken and not delivered; what comes after it waits for it.
    let held: Buffer = Buffer.alloc(0)
    const deliver = (chunk: Buffer) => {
      if (silent || to.write(chunk)) return
      from.pause()
      to.once('drain', () => from.resume())
    }
    const trickle = () => {
      if (to.destroyed) return
      const step = mode === 'slow' ? stepBytes : held.length
      to.write(held.subarray(0, step))
      held = held.subarray(step)
      if (held.length > 0) setTimeout(trickle, slowStepMs)
      else if (from.readableEnded) to.end()
      else if (from.destroyed) to.destroy()
      else from.resume()
    }
    from.on('data', (chunk: Buffer) => {
      if (isSilent() || mode !== 'slow') return deliver(chunk)
      from.pause()
      held = chunk
      setTimeout(trickle, slowStepMs)
    })
    // In a black hole an end is as silent as everything else.
    const isSilent = () => {
      if (mode === 'swallow') silent = true
      return silent
    }
    from.on('end', () => {
      if (!isSilent() && held.length === 0) to.end()
    })
    from.on('close', () => {
      if (!isSilent() && held.length === 0) to.destroy()
    })
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port ?? 0, '127.0.0.1', resolve)
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The proxy has no port.')

  const reset = () => {
    for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: address.port,
    cut() {
      mode = 'cut'
      reset()
    },
    swallow() {
      mode = 'swallow'
    },
    slow(bytesPerSecond) {
      mode = 'slow'
      stepBytes = Math.max(1, Math.round((bytesPerSecond * slowStepMs) / 1_000))
    },
    restore() {
      mode = 'open'
    },
    close() {
      reset()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
