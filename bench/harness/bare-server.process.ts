/** The raw limit of a round: a server that reads a POST and answers a few bytes, and does nothing else. */
import { createServer } from 'node:http'

const reply = JSON.stringify({ generation: '0123456789ab', serverTime: 1_795_000_000_000, through: 1_234_567 })

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json')
    response.end(reply)
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
})
process.once('disconnect', () => process.exit(0))
process.once('message', () => process.exit(0))
