/** Each call of the driver fails once, in each scenario: by a fault that passes, and by a kill after which the file is opened anew. */
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { EngineError } from '@holdfast/core'
import { describe, expect, test } from 'vitest'
import { failingDriver } from '../contract/failing-driver.ts'
import { brokenInvariants } from '../contract/store-invariants.ts'
import {
  applied,
  createTestWorld,
  draft,
  notebook,
  notes,
  rejected,
  reply,
  type TestWorld,
  user,
  wholeBatch,
} from '../contract/test-device.ts'
import { nodeSqlite } from '../drivers/node-sqlite.ts'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { createStore } from './create-store.ts'
import type { Store, WriteDraft } from './store.ts'

interface Stage {
  readonly world: TestWorld
  readonly store: Store
  /** Writes, and remembers what was saved: the ids of drafts whose `write` has returned. */
  write(draft: WriteDraft): void
}

interface Scenario {
  readonly name: string
  readonly before: (stage: Stage) => void
  readonly swept: (stage: Stage) => void
}

const edit = (s: Stage, record = 'a', title = 'edited') => s.write(draft(s.world, ['update', record, { title }]))
const firstSync = (s: Stage) => {
  s.store.applyReply(
    [],
    reply({
      changes: [
        notes([
          ['a', 1, { title: 'A' }],
          ['b', 1, { title: 'B' }],
        ]),
      ],
      cursor: 'c1',
      through: 1,
    }),
  )
}
const send = (s: Stage) => s.store.nextBatch(wholeBatch)

const scenarios: readonly Scenario[] = [
  { name: 'opening an empty file', before: () => {}, swept: () => {} },
  { name: 'a write to a clean record', before: firstSync, swept: (s) => edit(s) },
  {
    name: 'a write to a pending record',
    before: (s) => {
      firstSync(s)
      edit(s)
    },
    swept: (s) => edit(s, 'a', 'again'),
  },
  {
    name: 'a write of several operations',
    before: firstSync,
    swept: (s) =>
      s.write(
        draft(
          s.world,
          ['create', 'c', { title: 'C' }],
          ['update', 'a', { body: 'x' }],
          ['increment', 'a', { count: 2 }],
          ['delete', 'b'],
        ),
      ),
  },
  {
    name: 'taking a batch and giving it back',
    before: (s) => {
      firstSync(s)
      edit(s)
    },
    swept: (s) => s.store.batchFailed(send(s).ids, 'UNREACHABLE'),
  },
  {
    name: 'a reply with outcomes and rows',
    before: (s) => {
      firstSync(s)
      edit(s)
      edit(s, 'b')
    },
    swept: (s) => {
      const { ids } = send(s)
      const outcomes = ids.map((id) => applied(id, 2))
      const rows = [
        ['a', 2, { title: 'edited' }],
        ['c', 1, { title: 'C' }],
      ] as const
      s.store.applyReply(ids, reply({ outcomes, changes: [notes(rows)], cursor: 'c2', through: 3 }))
    },
  },
  {
    name: 'a first sync of three pages',
    before: (s) => s.write(draft(s.world, ['create', 'mine', { title: 'Mine' }])),
    swept: (s) => {
      s.store.applyReply([], reply({ changes: [notes([['a', 1, { title: 'A' }]])], cursor: 'c1', more: true }))
      s.store.applyReply([], reply({ changes: [notes([['b', 1, { title: 'B' }]])], cursor: 'c2', more: true }))
      s.store.applyReply([], reply({ changes: [notes([['c', 1, { title: 'C' }]])], cursor: 'c3' }))
    },
  },
  {
    name: 'a staged pull',
    before: (s) => {
      firstSync(s)
      edit(s)
    },
    swept: (s) => {
      const { ids } = send(s)
      const outcomes = ids.map((id) => applied(id, 2))
      s.store.applyReply(
        ids,
        reply({ outcomes, changes: [notes([['b', 2, { title: 'B2' }]])], cursor: 'c2', more: true }),
      )
      const gone = [{ record: 'b', version: 3, why: 'deleted' as const }]
      s.store.applyReply(
        [],
        reply({ changes: [notes([['a', 2, { title: 'edited' }]], gone)], cursor: 'c3', through: 9 }),
      )
    },
  },
  {
    name: 'a refused create with its dependants',
    before: (s) => {
      firstSync(s)
      s.write(draft(s.world, ['create', 'c', { title: 'C' }]))
      s.write(draft(s.world, ['update', 'c', { body: 'x' }], ['update', 'a', { body: 'y' }]))
      edit(s, 'b')
    },
    swept: (s) => {
      const { ids } = s.store.nextBatch({ ...wholeBatch, operationsMax: 1 })
      s.store.applyReply(ids, reply({ outcomes: ids.map(rejected) }))
    },
  },
  {
    name: 'undo and restore',
    before: (s) => {
      firstSync(s)
      s.write(draft(s.world, ['delete', 'a']))
    },
    swept: (s) => s.write(draft(s.world, ['restore', 'a'])),
  },
  {
    name: 'a jump of the clock',
    before: (s) => {
      firstSync(s)
      edit(s)
    },
    swept: (s) => {
      s.world.jump(90_000)
      edit(s, 'b')
    },
  },
]

const callsMax = 400

describe.each(['fault', 'kill'] as const)('%s at each call', (how) => {
  test.each(scenarios)('[ST4] $name', { timeout: 60_000 }, async (scenario) => {
    let n = 0
    while (await failsAt(scenario, how, ++n)) expect(n).toBeLessThan(callsMax)
    expect(n).toBeGreaterThan(5)
  })
})

/** Answers whether the failure was reached. */
async function failsAt(scenario: Scenario, how: 'fault' | 'kill', n: number): Promise<boolean> {
  const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-sweep-'))
  try {
    const opened = await openFile(path.join(folder, 'store.db'))
    const driver = failingDriver(opened)
    const world = createTestWorld()
    const saved = new Set<string>()
    const doubtful = new Set<string>()
    const isOpening = scenario.name.startsWith('opening')
    if (isOpening) driver.arm(how, n)
    const stage = openStage(driver, world, saved, doubtful)
    if (stage !== null) {
      scenario.before(stage)
      if (!isOpening) driver.arm(how, n)
      attempt(() => scenario.swept(stage))
    }
    const { wasReached } = driver
    driver.disarm()
    // What lies on the disk at the kill, WAL included: closing the first connection would tidy it up.
    const left = path.join(folder, 'left.db')
    for (const end of ['', '-wal']) {
      if (existsSync(`${folder}/store.db${end}`)) copyFileSync(`${folder}/store.db${end}`, `${left}${end}`)
    }
    if (how === 'fault' && stage !== null) checkStore(opened, saved, doubtful, stage, world)
    opened.close()
    if (how === 'kill') {
      const reopened = await openFile(left)
      const again = openStage(reopened, world, saved, doubtful)
      if (again === null) throw new Error('the database does not open again')
      checkStore(reopened, saved, doubtful, again, world)
      reopened.close()
    }
    return wasReached
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Without waiting for the disk: a process is killed here, not the machine. */
async function openFile(file: string): Promise<SqliteDriver> {
  const driver = await nodeSqlite(file)()
  driver.exec('pragma synchronous = off')
  return driver
}

function openStage(driver: SqliteDriver, world: TestWorld, saved: Set<string>, doubtful: Set<string>): Stage | null {
  let store: Store | null = null
  attempt(() => {
    store = createStore({ driver, schema: notebook, user, ambient: world })
  })
  if (store === null) return null
  const opened: Store = store
  return {
    world,
    store: opened,
    write: (written) => {
      for (const { id } of written.operations) doubtful.add(id)
      opened.write(written)
      for (const { id } of written.operations) saved.add(id)
    },
  }
}

/** All that was saved is there, what is there is in order, and the store works on. */
function checkStore(
  driver: SqliteDriver,
  saved: ReadonlySet<string>,
  doubtful: ReadonlySet<string>,
  stage: Stage,
  world: TestWorld,
): void {
  const present = new Set(
    ['_outbox', '_inbox', '_settled'].flatMap((table) =>
      driver.all(`select id from ${table}`).map(([id]) => String(id)),
    ),
  )
  // A write that has thrown is there as a whole or not at all.
  const known = new Set([...saved, ...[...doubtful].filter((id) => present.has(id))])
  expect(brokenInvariants(driver, notebook, known)).toEqual([])
  stage.write(draft(world, ['create', `after${present.size}`, { title: 'After' }]))
  expect(brokenInvariants(driver, notebook)).toEqual([])
}

function attempt(call: () => void): void {
  try {
    call()
  } catch (error) {
    if (!(error instanceof EngineError)) throw error
  }
}

describe('a full disk', () => {
  test('[ST1] the write fails with STORAGE_FULL, nothing of it is there, and the store goes on when there is room', async () => {
    const driver = await nodeSqlite(':memory:')()
    const world = createTestWorld()
    const store = createStore({ driver, schema: notebook, user, ambient: world })
    store.write(draft(world, ['create', 'a', { title: 'A' }]))
    driver.exec('pragma max_page_count = 60')
    const fill = () => {
      for (let i = 0; i < 100; i++)
        store.write(draft(world, ['create', `n${i}`, { title: 'N', body: `${i} `.repeat(2_000) }]))
    }
    expect(fill).toThrow(/STORAGE_FULL/)
    const { pending } = store.counts()
    expect(brokenInvariants(driver, notebook)).toEqual([])
    expect(() => store.write(draft(world, ['create', 'big', { title: 'N', body: 'x '.repeat(100_000) }]))).toThrow(
      /STORAGE_FULL/,
    )
    driver.exec('pragma max_page_count = 100000')
    store.write(draft(world, ['create', 'later', { title: 'Later' }]))
    expect(store.counts().pending).toBe(pending + 1)
    expect(brokenInvariants(driver, notebook)).toEqual([])
  })
})
