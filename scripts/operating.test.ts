/** docs/operating.md against what the server says of itself. Its statements for the database are run in operating.pg.test.ts. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { createMetrics } from '../packages/server/src/metrics/metrics.ts'
import { operatingPage, withTables } from './operating-tables.ts'

const page = readFileSync(operatingPage, 'utf8')

test('the page lists every variable and every metric as they are (npm run operating-tables writes them)', () => {
  expect(page).toBe(withTables(page))
})

test('alarms are about metrics that the server has', async () => {
  const alarms = /```yaml alarms\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const named = [...alarms.matchAll(/holdfast_\w+/g)].map(([name]) => name)
  const text = await createMetrics().text(null)
  expect(named.length).toBeGreaterThan(8)
  for (const name of named) expect(text, name).toMatch(new RegExp(`^# TYPE ${name.replace(/_bucket$/, '')} `, 'm'))
})

test('every alarm is explained', () => {
  const names = [...page.matchAll(/- alert: Holdfast(\w+)/g)].map(([, name]) => name)
  const explained = [...page.matchAll(/^\| ([A-Z]\w+) \| /gm)].map(([, name]) => name)
  expect(names.length).toBeGreaterThan(0)
  expect(explained).toEqual(names)
})

test('the module of the example is the one of the CRM', () => {
  const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(page) ?? []
  expect(example).not.toBe('')
  expect(readFileSync(path.join(import.meta.dirname, '../apps/crm/server.ts'), 'utf8')).toContain(example)
})
