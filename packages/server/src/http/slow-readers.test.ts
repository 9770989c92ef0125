import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { closeSlowReaders } from './slow-readers.ts'

test('[SR1] who does not read for 30 s is closed; who reads, who waits for nothing and who reads slowly enough are not', async () => {
  const looks: (() => void)[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    // More than the machine buffers of a connection, so that it waits here.
    socket.once('data', (asked) => socket.write(Buffer.alloc(asked.toString() === 'much' ? 32_000_000 : 10)))
  })
  closeSlowReaders(server, 1_000, {
    after: (_, look) => {
      looks.push(look)
      return () => undefined
    },
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port.')
  const { port } = address

  const open = async (asks: string) => {
    const socket = connect(port, '127.0.0.1')
    let isOpen = true
    socket.on('error', () => undefined)
    socket.on('close', () => {
      isOpen = false
    })
    onTestFinished(() => void socket.destroy())
    await once(socket, 'connect')
    socket.write(asks)
    // Data that nobody takes: the socket is read only when it is asked to.
    socket.pause()
    return { socket, isOpen: () => isOpen }
  }
  const [silent, slow, small] = [await open('much'), await open('much'), await open('little')]
  const taken = (bytes: number) =>
    new Promise<void>((resolve) => {
      let left = bytes
      const onData = (chunk: Buffer) => {
        left -= chunk.length
        if (left > 0) return
        slow.socket.pause()
        slow.socket.off('data', onData)
        resolve()
      }
      slow.socket.on('data', onData)
      slow.socket.resume()
    })
  const tenSeconds = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 50))
    looks.shift()?.()
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await tenSeconds()
  for (let ten = 0; ten < 2; ten += 1) {
    await taken(5_000_000)
    await tenSeconds()
  }
  expect([silent.isOpen(), slow.isOpen(), small.isOpen()]).toEqual([true, true, true])
  await tenSeconds()
  silent.socket.resume()
  await once(silent.socket, 'close')
  expect([silent.isOpen(), slow.isOpen(), small.isOpen()]).toEqual([false, true, true])
  for (let ten = 0; ten < 3; ten += 1) await tenSeconds()
  slow.socket.resume()
  await once(slow.socket, 'close')
  expect(small.isOpen()).toBe(true)
})
