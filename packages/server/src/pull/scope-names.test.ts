import { expect, test } from 'vitest'
import { createScopeNames, scopeNames } from './scope-names.ts'

test('[CU2] a name is that of its scope, and tells nothing of it without the key', () => {
  const names = createScopeNames('the secret')
  expect(names.scopeOf('whatever')).toBeNull()
  const name = names.nameOf('agent:ann')
  expect(name).toMatch(/^[\w-]{8}$/)
  expect([names.nameOf('agent:ann'), names.scopeOf(name)]).toEqual([name, 'agent:ann'])
  expect(createScopeNames('another').nameOf('agent:ann')).not.toBe(name)
  expect(createScopeNames('the secret').nameOf('agent:ann')).toBe(name)
})

test('what a process has named is known to its later rounds, up to a bound', () => {
  const name = scopeNames('the secret').nameOf('agent:ben')
  expect(scopeNames('the secret').scopeOf(name)).toBe('agent:ben')
  const few = createScopeNames('the secret', 3)
  const all = ['a', 'b', 'c', 'd'].map((scope) => few.nameOf(scope))
  expect(all.map((each) => few.scopeOf(each))).toEqual([null, null, null, 'd'])
  expect(few.nameOf('a')).toBe(all[0])
})
