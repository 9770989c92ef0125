import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { backlog, leads } from './workload.ts'

test('the workload has the same bytes as ever', () => {
  const rows = leads(1_000)
  expect(digest(rows)).toBe('890b46481e5159998e8b94f2cf187445107ae0feb0a53aa6819f81c5a70543d7')
  expect(digest(backlog(rows, 1_000))).toBe('be388551763dc0c84d2b3d63975474039bb8375326480ba61b0c8f05b166e957')
})

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}
