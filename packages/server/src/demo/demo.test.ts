import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { crm } from '../../../../apps/crm/src/schema.ts'
import { createServer } from '../create-server.ts'
import { sqlite } from '../store/sqlite.ts'
import { demoLead, demoPeople } from './leads.ts'
import { seedDemo } from './seed.ts'
import { createDemo } from './sign-in.ts'

const options = { leads: 1_000, agents: 20, seed: 1, nowMs: 1_795_000_000_000 }

function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-demo-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('the same seed makes the same leads, one in five with an Arabic name, all of the past', () => {
  const leads = Array.from({ length: 1_000 }, (_, index) => demoLead(index, options)[0])
  expect(demoLead(77, options)).toEqual(demoLead(77, options))
  const arabic = leads.filter(({ fields }) => /\p{Script=Arabic}/u.test(String(fields.name)))
  expect(arabic.length).toBeGreaterThan(150)
  expect(arabic.length).toBeLessThan(250)
  expect(leads.filter(({ createdAt, updatedAt }) => updatedAt < createdAt || updatedAt > options.nowMs)).toEqual([])
  expect(new Set(leads.map(({ id }) => id)).size).toBe(1_000)
  expect(new Set(leads.map(({ fields }) => fields.owner)).size).toBe(20)
})

test('seeding completes what is missing and leaves what is there', async () => {
  const store = sqlite(temporaryDirectory())(crm)
  await store.open()
  onTestFinished(() => store.close())
  expect(await seedDemo(store, crm, { ...options, leads: 300 })).toBe(300)
  expect(await seedDemo(store, crm, { ...options, leads: 300 })).toBe(0)
  const progress: number[] = []
  const onProgress = (leads: number) => void progress.push(leads)
  expect(await seedDemo(store, crm, { ...options, onProgress })).toBe(700)
  expect(progress).toEqual([1_000])
  const page = await store.readPage({ positions: [{ scope: 'all', place: 0, seq: 0 }], rowsMax: 5_000 })
  expect(JSON.parse(page.changes.find(({ collection }) => collection === 'leads')?.rows ?? '')).toHaveLength(1_000)
})

test('sign-in answers a token for a person of the demo, which outlives a restart; nobody else gets one', async () => {
  const directory = temporaryDirectory()
  const start = () => {
    const demo = createDemo({ directory, people: demoPeople(3) })
    const { authenticate } = demo
    return createServer({
      schema: crm,
      store: sqlite(directory),
      authenticate,
      demo,
      scopes: () => 'all',
      logLevel: 'silent',
    })
  }
  const first = start()
  await first.start()
  const people = await (await first.fetch(new Request('http://test/demo/people'))).json()
  expect(people).toMatchObject({
    people: [{ user: 'manager' }, { user: 'agent-0' }, { user: 'agent-1' }, { user: 'agent-2' }],
  })
  const signIn = (body: string) => first.fetch(new Request('http://test/demo/sign-in', { method: 'POST', body }))
  expect((await signIn('{"user":"nobody"}')).status).toBe(403)
  expect((await signIn('null')).status).toBe(403)
  expect((await signIn('{')).status).toBe(400)
  const { token } = Object(await (await signIn('{"user":"agent-1"}')).json())
  await first.close()

  const demo = createDemo({ directory, people: demoPeople(3) })
  const request = new Request('http://test/', { headers: { authorization: `Bearer ${token}` } })
  expect(await demo.authenticate(request)).toMatchObject({ userId: 'agent-1', claims: { role: 'agent' } })
})
