/**
 * Where sync stops until a person does something: how soon the device says so, why, and that it keeps everything meanwhile. A full
 * disk is in device.cases.ts, what the server gives up on in inbox.cases.ts.
 */
import type { SyncStatus } from '@holdfast/client'
import { describe, expect, onTestFinished, test } from 'vitest'
import { pass, problem } from '../support/front.ts'
import { oldToken } from '../support/lead-server.ts'
import type { StoreKind } from '../support/store-kind.ts'
import { atRest, reached } from '../support/until.ts'
import { createWorld } from '../support/world.ts'

/** What a person may wait until the reason is on the screen. */
const saidMsMax = 5_000

interface Stop {
  readonly name: string
  readonly status: number
  readonly code: string
  readonly says: (status: SyncStatus) => boolean
}

const paused =
  (why: string, code: string) =>
  (status: SyncStatus): boolean =>
    status.kind === 'paused' && status.why === why && status.lastError?.code === code

const stops: readonly Stop[] = [
  {
    name: 'the account may not sync',
    status: 403,
    code: 'ACCOUNT_FORBIDDEN',
    says: paused('forbidden', 'ACCOUNT_FORBIDDEN'),
  },
  { name: 'the app is too old', status: 426, code: 'UPGRADE_REQUIRED', says: paused('upgrade', 'UPGRADE_REQUIRED') },
]

export function describeStops(store: StoreKind): void {
  describe(`what stops sync, on ${store.name}`, { timeout: 60_000 }, () => {
    const world = () => createWorld(store, onTestFinished)

    test.each(stops)(
      '[L-2] $name: said within five seconds, with its code; what waits is kept, and goes when it is mended',
      async ({ status, code, says }) => {
        const w = await world()
        const db = await w.open('ada', { url: w.front.url })
        await atRest(db)
        w.front.answerBy(({ path }) => (path === '/sync' ? problem(status, code) : pass))
        const lead = await db.leads.create({ owner: 'ada', name: 'Mona' })
        expect(await reached(db, says, saidMsMax)).toMatchObject({ pending: 1 })
        const [row] = await db.query((q) => q.selectFrom('leads').selectAll().where('id', '=', lead))
        expect(row).toMatchObject({ name: 'Mona', $sync: 'pending' })
        w.front.answerBy(() => pass)
        await db.sync.now()
        await atRest(db)
      },
    )

    test('[L-2] a token that is over, and no other: signed out is said within five seconds', async () => {
      const w = await world()
      let token = 'ada'
      const db = await w.open('ada', { url: w.front.url, token: () => token })
      await atRest(db)
      token = oldToken
      w.front.answerBy(({ path }) => (path === '/sync' ? problem(401, 'UNAUTHENTICATED') : pass))
      await db.leads.create({ owner: 'ada', name: 'Mona' })
      expect(await reached(db, paused('signedOut', 'UNAUTHENTICATED'), saidMsMax)).toMatchObject({ pending: 1 })
      token = 'ada'
      w.front.answerBy(() => pass)
      await db.sync.now()
      await atRest(db)
    })
  })
}
