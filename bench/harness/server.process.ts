/** The server of a bench, in a process of its own as in production: the client never shares its event loop. */
import { createServer, jwt, postgres, serve, sqlite } from '@holdfast/server'
import { crm } from '../../apps/crm/src/schema.ts'
import { boundHeap } from '../../packages/server/src/operate/heap.ts'
import type { ServerSettings } from './server.ts'

// As `holdfast serve` does.
boundHeap()
const settings: ServerSettings = JSON.parse(process.argv[2] ?? '')

const server = createServer({
  schema: crm,
  store: settings.store.kind === 'embedded' ? sqlite(settings.store.directory) : postgres(settings.store.url),
  authenticate: jwt({ secret: new Uint8Array(Buffer.from(settings.secret, 'base64url')) }),
  scopes: (user) => (user.claims.role === 'manager' ? 'all' : { agent: [user.userId] }),
  rules: {
    leads: {
      write: ({ user, before, after }) =>
        user.claims.role === 'manager' || [before, after].every((row) => row === null || row.owner === user.userId),
    },
  },
  // A bench asks without a pause, which no device does.
  limits: {
    userRequestsMax: Number.POSITIVE_INFINITY,
    userRequestsPerSecond: Number.POSITIVE_INFINITY,
    deviceRequestsPerSecond: Number.POSITIVE_INFINITY,
  },
  logLevel: 'error',
})
const serving = await serve(server, {
  port: 0,
  host: '127.0.0.1',
  ...(settings.assets === null ? {} : { assets: settings.assets }),
})
process.send?.({ port: serving.port })

// Asked, or left alone by a bench that was killed.
process.once('message', end)
process.once('disconnect', end)

async function end(): Promise<void> {
  await serving.close()
  process.exit(0)
}
