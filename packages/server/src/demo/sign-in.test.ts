import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { collection, defineSchema, t } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { createServer } from '../create-server.ts'
import { sqlite } from '../store/sqlite.ts'
import { createDemo } from './sign-in.ts'

const schema = defineSchema({ version: 1, collections: { leads: collection({ fields: { name: t.text() } }) } })
const people = [
  { user: 'manager', name: 'Nadia Fahmy', role: 'manager' },
  { user: 'agent-1', name: 'Mona Hassan', role: 'agent' },
] as const

function temporaryDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-demo-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

test('sign-in answers a token for a person of the demo, which outlives a restart; nobody else gets one', async () => {
  const directory = temporaryDirectory()
  const start = () => {
    const demo = createDemo({ directory, people })
    const { authenticate } = demo
    return createServer({
      schema,
      store: sqlite(directory),
      authenticate,
      demo,
      scopes: () => 'all',
      logLevel: 'silent',
    })
  }
  const first = start()
  await first.start()
  const listed = await (await first.fetch(new Request('http://test/demo/people'))).json()
  expect(listed).toEqual({ people })
  const signIn = (body: string) => first.fetch(new Request('http://test/demo/sign-in', { method: 'POST', body }))
  expect((await signIn('{"user":"nobody"}')).status).toBe(403)
  expect((await signIn('null')).status).toBe(403)
  expect((await signIn('{')).status).toBe(400)
  const { token } = Object(await (await signIn('{"user":"agent-1"}')).json())
  await first.close()

  const demo = createDemo({ directory, people })
  const request = new Request('http://test/', { headers: { authorization: `Bearer ${token}` } })
  expect(await demo.authenticate(request)).toMatchObject({ userId: 'agent-1', claims: { role: 'agent' } })
})
