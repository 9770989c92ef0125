/** Write rules where edits, deletions and settlements meet: what they see of a record that was deleted, and of what somebody drops. */
import { randomBytes } from 'node:crypto'
import { collection, type DeleteStrategy, defineSchema, parseUserId, t } from '@holdfast/core'
import { createServer, type Rules } from '@holdfast/server'
import { describe, expect, onTestFinished, test } from 'vitest'
import { conflictsAbout, decisionsAbout, startMs } from '../support/merging-world.ts'
import { embedded, storeAt } from '../support/store-kind.ts'
import { createWireDevice, inWords, type WireDevice, type Write } from '../support/wire-device.ts'

const jobs = 'jobs'
const record = 'x'

const schemaOf = (deletes: DeleteStrategy) =>
  defineSchema({
    version: 1,
    collections: {
      jobs: collection({
        fields: {
          team: t.text(),
          owner: t.text({ default: '' }),
          title: t.text({ default: '' }),
          note: t.text({ default: '', merge: 'manual' }),
        },
        scope: { team: 'team' },
        deletes,
      }),
    },
  })

type WriteRule = NonNullable<NonNullable<Rules<ReturnType<typeof schemaOf>>['jobs']>['write']>

/** The sides that the rule was asked about, as titles, in the order of asking; null: none. */
type Asked = (readonly [string | null, string | null])[]

async function createWorld(deletes: DeleteStrategy, write: WriteRule = () => true) {
  const schema = schemaOf(deletes)
  const database = await embedded.create()
  const clock = { nowMs: startMs }
  const asked: Asked = []
  const server = createServer({
    schema,
    store: storeAt(database.address),
    authenticate: async (request) => ({
      userId: parseUserId(request.headers.get('authorization')?.replace('Bearer ', '')),
      claims: {},
    }),
    scopes: () => 'all',
    rules: {
      jobs: {
        write: (change) => {
          asked.push([change.before?.title ?? null, change.after?.title ?? null])
          return write(change)
        },
      },
    },
    logLevel: 'silent',
    system: {
      nowMs: () => (clock.nowMs += 1_000),
      randomBytes: (count) => randomBytes(count),
      after: () => () => {},
      monotonicMs: () => performance.now(),
      breathe: () => new Promise((resolve) => setImmediate(resolve)),
    },
  })
  await server.start()
  onTestFinished(async () => {
    await server.close()
    await database.drop()
  })
  const device = (user: string) => createWireDevice({ server: () => server, schema, nowMs: () => clock.nowMs }, user)
  return { ann: device('ann'), ben: device('ben'), cem: device('cem'), asked }
}

const on = (kind: Write['kind'], at: number, more: Partial<Write> = {}): Write => ({
  collection: jobs,
  record,
  kind,
  at: startMs + at,
  ...more,
})

const done = async (device: WireDevice, ...writes: readonly Write[]) => {
  for (const write of writes) device.write(write)
  return (await device.sync()).map(inWords)
}

/** Ann's record, which Ben and Cem have too. */
async function createJob({ ann, ben, cem }: Awaited<ReturnType<typeof createWorld>>) {
  const fields = { team: 'red', owner: 'ann', title: 'of Ann' }
  expect(await done(ann, on('create', 0, { fields }))).toEqual(['applied'])
  await ben.sync()
  await cem.sync()
}

const settlesOf = (device: WireDevice) =>
  conflictsAbout(device, jobs, record).map(({ id, revision }) => ({ conflict: id, revision: Number(revision) }))

describe('a record that was deleted', () => {
  // Who makes a record owns it; only its owner changes it, and gives it away.
  const ownersOnly: WriteRule = ({ user, before, after }) => (before ?? after)?.owner === user.userId

  test('[J8] is not a new one for whom edits win', async () => {
    const world = await createWorld('editWins', ownersOnly)
    await createJob(world)
    const { ann, ben } = world
    const edit = ben.write(on('update', 30, { fields: { owner: 'ben', title: 'of Ben' } }))
    expect(await done(ann, on('delete', 10))).toEqual(['applied'])
    expect((await ben.sync(edit)).map(inWords)).toEqual(['rejected FORBIDDEN'])
    expect(world.asked.at(-1)).toEqual(['of Ann', 'of Ben'])
    expect(ben.held(jobs).has(record)).toBe(false)
  })

  test('[J8] [I-20] nor by a settlement of a question that nobody has asked', async () => {
    const world = await createWorld('deleteWins', ownersOnly)
    await createJob(world)
    const { ann, ben } = world
    expect(await done(ann, on('delete', 10))).toEqual(['applied'])
    await ben.sync([])
    const settles = [{ conflict: 'made-up', revision: 1 }]
    const [restore] = ben.write(on('restore', 40, { fields: { owner: 'ben', title: 'of Ben' }, settles }))
    if (restore === undefined) throw new Error('There is one write.')
    const known = { ...restore, base: { ...restore.base, version: 2 } }
    expect((await ben.sync([known])).map(inWords)).toEqual(['rejected RECORD_DELETED'])
  })

  test('[J8] is what it was, for a restore', async () => {
    const world = await createWorld('deleteWins', ownersOnly)
    await createJob(world)
    expect(await done(world.ann, on('delete', 10), on('restore', 20))).toEqual(['applied', 'applied'])
    expect(world.asked).toEqual([
      [null, 'of Ann'],
      ['of Ann', null],
      ['of Ann', 'of Ann'],
    ])
  })

  test('[J8] is what it was, for an edit that asks; the rule never sees nothing at all', async () => {
    const world = await createWorld('ask', ({ user, after }) => user.userId === 'ann' || after !== null)
    await createJob(world)
    const { ann, ben, cem } = world
    expect(await done(ann, on('delete', 10))).toEqual(['applied'])
    expect(await done(ben, on('update', 20, { fields: { title: 'of Ben' } }))).toEqual(['conflict ?'])
    expect(await done(ben, on('update', 30, { fields: { title: 'of Ben, more' } }))).toEqual(['conflict ?'])
    await cem.sync()
    expect(await done(cem, on('delete', 40, { settles: settlesOf(cem) }))).toEqual(['applied'])
    expect(world.asked.slice(2)).toEqual([
      ['of Ann', 'of Ben'],
      ['of Ann', 'of Ben, more'],
      // Nothing is deleted by it; but it drops what Ben wrote.
      ['of Ann', 'of Ben, more'],
    ])
    expect(decisionsAbout(cem, jobs, record)).toHaveLength(1)
  })
})

describe('a settlement', () => {
  /** Ben's note is asked about; Cem may not write notes. */
  async function createDispute() {
    const notes = { forbidden: ['cem'] }
    const world = await createWorld(
      'deleteWins',
      ({ user, before, after }) => !notes.forbidden.includes(user.userId) || before?.note === after?.note,
    )
    await createJob(world)
    expect(await done(world.ann, on('update', 10, { fields: { note: 'of Ann' } }))).toEqual(['applied'])
    expect(await done(world.ben, on('update', 20, { fields: { note: 'of Ben' } }))).toEqual(['conflict ?note'])
    await world.cem.sync()
    return { ...world, notes }
  }

  test('[J8] who may not write a value settles it away neither', async () => {
    const { cem } = await createDispute()
    const settles = settlesOf(cem)
    expect(settles).toHaveLength(1)
    expect(await done(cem, on('update', 30, { fields: {}, settles }))).toEqual(['rejected FORBIDDEN'])
    expect(conflictsAbout(cem, jobs, record)).toHaveLength(1)
    expect(await done(cem, on('update', 40, { fields: { title: 'of Cem' } }))).toEqual(['applied'])
  })

  test('[J8] who may, does', async () => {
    const { ann, cem } = await createDispute()
    await ann.sync()
    expect(await done(ann, on('update', 30, { fields: {}, settles: settlesOf(ann) }))).toEqual(['applied'])
    await cem.sync()
    expect(conflictsAbout(cem, jobs, record)).toEqual([])
    expect(decisionsAbout(cem, jobs, record)).toMatchObject([{ local: 'of Ben' }])
  })

  test('[J8] who wrote a value may take it back, also when the rule does not let them write it any more', async () => {
    const { ben, notes } = await createDispute()
    notes.forbidden.push('ben')
    expect(await done(ben, on('update', 30, { fields: { note: 'of Ben, more' } }))).toEqual(['rejected FORBIDDEN'])
    expect(await done(ben, on('update', 40, { fields: {}, settles: settlesOf(ben) }))).toEqual(['applied'])
    expect(conflictsAbout(ben, jobs, record)).toEqual([])
  })
})
