/** The raw limit's half of the page: each call is one bare message to the worker, and the least that makes its answer useful. */
import { searchQuery } from '@holdfast/core'
import { countSql, listJsonSql, searchJsonSql } from '../raw/device-rows.ts'
import { eachTimed } from './each-timed.ts'
import type { ListQuery, PageBench, SearchQuery, Target } from './page-bench.ts'
import { type Raw, startRaw } from './raw.ts'

export function rawSide(): PageBench['raw'] {
  let raw: Raw | null = null
  let seq = 0

  const started = (): Raw => {
    raw ??= startRaw()
    return raw
  }
  const end = async () => {
    await raw?.ask({ kind: 'close' })
    raw?.end()
    raw = null
  }
  const write = ({ id, stage }: Target) => {
    seq += 1
    const atMs = Date.now()
    const operationId = crypto.randomUUID()
    const operation = operationText(operationId, seq, id, stage, atMs)
    return started().ask({
      kind: 'write',
      write: { seq: atMs * 1000 + seq, id: operationId, lead: id, stage, atMs, operation },
    })
  }
  const list = async ({ owner, stage }: ListQuery): Promise<unknown> =>
    JSON.parse(await started().ask({ kind: 'text', sql: listJsonSql, parameters: [owner, stage] }))
  const search = async ({ typed }: SearchQuery): Promise<unknown> =>
    JSON.parse(await started().ask({ kind: 'text', sql: searchJsonSql, parameters: [searchQuery(typed)] }))

  async function firstAnswers(): Promise<void> {
    await started().ask({ kind: 'text', sql: countSql, parameters: [] })
    await list({ owner: 'agent-7', stage: 'visit' })
  }

  return {
    async firstSyncByRows(directory, rowsUrl) {
      const start = performance.now()
      void started().ask({ kind: 'open', directory })
      await started().ask({ kind: 'load', rowsUrl })
      await firstAnswers()
      const elapsed = performance.now() - start
      await end()
      return elapsed
    },
    async firstSyncByFile(directory, fileUrl) {
      const start = performance.now()
      await started().ask({ kind: 'import', directory, fileUrl })
      await firstAnswers()
      const elapsed = performance.now() - start
      await end()
      return elapsed
    },
    async open(directory) {
      await started().ask({ kind: 'open', directory })
    },
    close: end,
    write: (targets) => eachTimed(targets, write),
    list: (asked) => eachTimed(asked, list),
    search: (asked) => eachTimed(asked, search),
    live: (targets) =>
      eachTimed(targets, async (target) => {
        await write(target)
        await list(target)
      }),
  }
}

/** As many bytes as an operation of ours has. */
function operationText(id: string, seq: number, record: string, stage: string, atMs: number): string {
  return JSON.stringify({
    id,
    user: 'manager',
    device: id,
    seq,
    tx: { id, index: 0, count: 1 },
    collection: 'leads',
    record,
    kind: 'update',
    fields: { stage },
    was: { stage: 'contacted' },
    base: { generation: '0123456789ab', version: 1 },
    time: { at: atMs, epoch: 0, hlc: [atMs, 0] },
    schemaVersion: 1,
  })
}
