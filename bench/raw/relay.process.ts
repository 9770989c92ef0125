/**
 * The raw limit of propagation on Postgres: a POST writes a row and says so by NOTIFY, in one transaction; each process listens, tells
 * who has a stream open, and answers a pull by one query. No rights, no merge, no feed, no device.
 *
 * `relay.process.ts <url>`; tells its port to the process that started it.
 */
import { createServer, type ServerResponse } from 'node:http'
import pg from 'pg'

const url = process.argv[2] ?? ''
const pool = new pg.Pool({ connectionString: url, max: 4 })
const line = new pg.Client(url)
await line.connect()
await line.query(`create table if not exists raw_rows (id text primary key, budget bigint not null, seq bigserial)`)
await line.query('listen raw_rows')
const streams = new Set<ServerResponse>()
line.on('notification', () => {
  for (const stream of streams) stream.write('data: 1\n\n')
})

const server = createServer((request, response) => {
  if (request.url === '/poke') {
    response.setHeader('content-type', 'text/event-stream')
    response.write(': alive\n\n')
    streams.add(response)
    response.on('close', () => streams.delete(response))
    return
  }
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const given: { readonly id: string; readonly budget?: number } = JSON.parse(Buffer.concat(chunks).toString())
    const answered = given.budget === undefined ? pull(given.id) : write(given.id, given.budget)
    answered.then(
      (body) => response.setHeader('content-type', 'application/json').end(JSON.stringify(body)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    )
  })
})

async function write(id: string, budget: number): Promise<object> {
  await pool.query({ name: 'write', text: writeSql, values: [id, budget] })
  return {}
}

async function pull(id: string): Promise<object> {
  const { rows } = await pool.query({
    name: 'pull',
    text: 'select id, budget from raw_rows where id = $1',
    values: [id],
  })
  return rows
}

const writeSql = `with written as (insert into raw_rows (id, budget) values ($1, $2)
    on conflict (id) do update set budget = excluded.budget, seq = nextval('raw_rows_seq_seq') returning 1)
  select pg_notify('raw_rows', '') from written`

server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 })
})
process.once('message', () => process.exit(0))
process.once('disconnect', () => process.exit(0))
