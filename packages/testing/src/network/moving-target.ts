/** One port before a server that moves: what a load balancer or a database's address is to those who connect. */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface MovingTarget {
  readonly port: number
  /** New connections go there from now on. */
  moveTo(port: number): void
  close(): Promise<void>
}

export async function startMovingTarget(first: number): Promise<MovingTarget> {
  let target = first
  const sockets = new Set<Socket>()
  const keep = (socket: Socket): Socket => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
    return socket
  }
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1')
    for (const [from, to] of [
      [keep(near), keep(far)],
      [far, near],
    ] as const) {
      from.pipe(to)
      from.on('close', () => to.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The address has no port.')
  return {
    port: address.port,
    moveTo: (port) => {
      target = port
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => resolve())
      }),
  }
}
