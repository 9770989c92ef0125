/** Our half of the page: what an app calls, and nothing that an app could not call. */
import type { Client } from '@holdfast/client'
import type { Crm } from '../../apps/crm/src/schema.ts'
import { eachTimed } from './each-timed.ts'
import { type Identity, isComplete, openOurs, whenStatus } from './open-ours.ts'
import type { ListQuery, PageBench, SearchQuery, Target } from './page-bench.ts'
import { asStage, listOf } from './queries.ts'

export function ourSide(): PageBench['ours'] {
  let client: Client<Crm> | null = null

  const db = (): Client<Crm> => {
    if (client === null) throw new Error('The client is not open.')
    return client
  }
  const open = async (identity: Identity) => {
    client = await openOurs(identity)
    await whenStatus(client, isComplete)
  }
  const close = async () => {
    await client?.close()
    client = null
  }
  const list = ({ owner, stage }: ListQuery) => db().query((q) => listOf(q, owner, stage))
  const search = ({ typed }: SearchQuery) => db().search('leads', typed, { limit: 50 })

  return {
    async firstSync(identity) {
      const start = performance.now()
      await open(identity)
      await db().query((q) => q.selectFrom('leads').select((e) => e.fn.countAll<number>().as('count')))
      await list({ owner: 'agent-7', stage: 'visit' })
      const elapsed = performance.now() - start
      await close()
      return elapsed
    },
    open,
    close,
    write: (targets) =>
      eachTimed(targets, ({ id, stage }) => Promise.resolve(db().leads.update(id, { stage: asStage(stage) }))),
    list: (asked) => eachTimed(asked, list),
    search: (asked) => eachTimed(asked, search),
    live: (targets) => liveTimes(db(), targets),
    pause: () => db().sync.pause(),
    names: async (asked) => (await list(asked)).map((row) => row.name),
    found: async (asked) => (await search(asked)).length,
  }
}

const shownMsMax = 20_000

/** One subscription per write, open before it, as a screen that shows the list. */
async function liveTimes(client: Client<Crm>, targets: readonly Target[]): Promise<readonly number[]> {
  const times: number[] = []
  for (const target of targets) {
    let heard: (ids: ReadonlySet<string>) => void = () => {}
    const first = new Promise<void>((resolve) => {
      heard = () => resolve()
    })
    const stop = client.watch(
      (q) => listOf(q, target.owner, target.stage),
      ({ rows }) => heard(new Set(rows.map((row) => row.id))),
    )
    await first
    const start = performance.now()
    const shown = new Promise<void>((resolve, reject) => {
      heard = (ids) => ids.has(target.id) && resolve()
      setTimeout(() => reject(new Error(`The list does not show ${target.id}.`)), shownMsMax)
    })
    shown.catch(() => {}) // Of the timer, when the news came long ago.
    void client.leads.update(target.id, { stage: asStage(target.stage) })
    await shown
    times.push(performance.now() - start)
    stop()
  }
  return times
}
