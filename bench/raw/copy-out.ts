/** The raw limit of reading a table from Postgres: `COPY … TO STDOUT`, whose bytes come into Node and are counted. */
import pg from 'pg'

/** Milliseconds until the last byte is here. */
export async function copyOut(url: string, sql: string): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const start = performance.now()
    let bytes = 0
    await new Promise<void>((resolve, reject) => {
      client.query({
        submit: (connection: pg.Connection) => connection.query(sql),
        handleCopyData: ({ chunk }: { readonly chunk: Buffer }) => {
          bytes += chunk.length
        },
        handleCommandComplete: () => {},
        handleReadyForQuery: () => resolve(),
        handleError: reject,
      } as pg.Submittable)
    })
    if (bytes === 0) throw new Error('The limit has read nothing.')
    return performance.now() - start
  } finally {
    await client.end()
  }
}
