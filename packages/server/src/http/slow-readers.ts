/**
 * Connections whose reader has stopped reading, or reads so slowly that it can only mean harm: each of them holds a reply.
 *
 * SR1  A connection that had bytes to take all the time, and took fewer than so many a second over 30 s, is closed.
 */
import type { Socket } from 'node:net'
import type { System } from '../ports/system.ts'

interface Server {
  on(event: 'connection', listener: (socket: Socket) => void): unknown
}

/** Bytes that a connection had taken at the last times that somebody looked, oldest first, as long as others waited. */
type Progress = readonly number[]

/** Watches from now on; answers a function that ends it. */
export function closeSlowReaders(server: Server, bytesPerSecondMin: number, system: Pick<System, 'after'>): () => void {
  const sockets = new Map<Socket, Progress>()
  server.on('connection', (socket) => {
    sockets.set(socket, [])
    socket.once('close', () => sockets.delete(socket))
  })
  const look = (): void => {
    for (const [socket, progress] of sockets) {
      const taken = socket.bytesWritten - socket.writableLength
      const seen = socket.writableLength > 0 ? [...progress, taken].slice(-looksKept) : []
      const [first = 0] = seen
      const isSlow = seen.length === looksKept && taken - first < bytesPerSecondMin * windowSeconds
      if (isSlow) socket.destroy()
      else sockets.set(socket, seen)
    }
    cancel = system.after(lookMs, look)
  }
  let cancel = system.after(lookMs, look)
  return () => cancel()
}

const lookMs = 10_000
const windowSeconds = 30
const looksKept = (windowSeconds * 1_000) / lookMs + 1
