/**
 * The bytes that the limits fetch: the rows as one JSON text, and a ready database file; by a bare server, uncompressed, since on
 * one machine compressing costs more than it saves.
 */
import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { DeviceRow } from '../raw/device-rows.ts'
import { loadRawDevice } from '../raw/node-device.ts'
import { afterBench } from './clean-up.ts'
import { scratchDirectory } from './scratch.ts'

export interface Files {
  readonly rowsUrl: string
  readonly fileUrl: string
}

export async function serveFiles(rows: readonly DeviceRow[]): Promise<Files> {
  const bodies: { readonly [path: string]: Buffer } = {
    '/rows.json': Buffer.from(JSON.stringify(rows)),
    '/leads.sqlite3': databaseFile(rows),
  }
  const server = createServer((request, response) => {
    const body = bodies[request.url ?? '']
    response.setHeader('access-control-allow-origin', '*')
    response.setHeader('cache-control', 'no-store')
    response.statusCode = body === undefined ? 404 : 200
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterBench(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('The server of files has no port.')
  const base = `http://127.0.0.1:${address.port}`
  return { rowsUrl: `${base}/rows.json`, fileUrl: `${base}/leads.sqlite3` }
}

/** A database as a device has it. */
export function databaseFile(rows: readonly DeviceRow[]): Buffer {
  const directory = scratchDirectory('file')
  const loaded = path.join(directory, 'loaded.sqlite3')
  const file = path.join(directory, 'leads.sqlite3')
  loadRawDevice(loaded, rows)
  const database = new DatabaseSync(loaded)
  database.exec(`vacuum into '${file}'`)
  database.close()
  const bytes = readFileSync(file)
  rmSync(directory, { recursive: true })
  return bytes
}
