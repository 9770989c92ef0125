import { expect, test } from 'vitest'
import { databaseName } from './database-name.ts'

test('a slash at the end of the address is the same database; another user or server is another', async () => {
  const name = await databaseName('https://x.test/api', 'ann')
  expect(await databaseName('https://x.test/api/', 'ann')).toBe(name)
  expect(await databaseName('https://x.test/api', 'ben')).not.toBe(name)
  expect(await databaseName('https://x.test/ap', 'iann')).not.toBe(name)
})
