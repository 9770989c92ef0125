/** A TCP line between client and server that keeps what passes, to count what a round costs on the wire. */
import { connect, createServer, type Socket } from 'node:net'
import { afterBench } from './clean-up.ts'

export interface Tap {
  readonly url: string
  /** What passed since the last call, of the connection that carried a POST /sync. */
  take(): Passed
}

export interface Passed {
  /** Both directions, without headers. */
  readonly bodyBytes: number
  /** Both directions, whole. */
  readonly bytes: number
}

interface Line {
  up: Buffer[]
  down: Buffer[]
}

export async function startTap(port: number): Promise<Tap> {
  const lines: Line[] = []
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    const line: Line = { up: [], down: [] }
    lines.push(line)
    near.on('data', (bytes: Buffer) => line.up.push(bytes)).pipe(far)
    far.on('data', (bytes: Buffer) => line.down.push(bytes)).pipe(near)
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy()).on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterBench(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
    return undefined
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The tap has no port.')
  return {
    url: `http://127.0.0.1:${address.port}`,
    take() {
      const taken = lines.map(({ up, down }) => ({ up: Buffer.concat(up), down: Buffer.concat(down) }))
      for (const line of lines) {
        line.up = []
        line.down = []
      }
      const rounds = taken.filter(({ up }) => up.subarray(0, 10).toString() === 'POST /sync')
      const sum = (of: (bytes: Buffer) => number) =>
        rounds.reduce((total, { up, down }) => total + of(up) + of(down), 0)
      return { bodyBytes: sum(bodyBytesOf), bytes: sum((bytes) => bytes.length) }
    },
  }
}

/** One request or one reply: everything after the empty line. */
function bodyBytesOf(message: Buffer): number {
  const end = message.indexOf('\r\n\r\n')
  return end === -1 ? 0 : message.length - end - 4
}
