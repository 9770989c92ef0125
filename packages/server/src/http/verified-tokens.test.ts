import { expect, test } from 'vitest'
import { createVerifiedTokens } from './verified-tokens.ts'

const startMs = 1_795_000_000_000

function setUp(expiresInSeconds = 3_600, tokensMax = 10) {
  let now = startMs
  const asked: string[] = []
  const verify = createVerifiedTokens(
    async (token) => {
      asked.push(token)
      if (token.startsWith('bad')) throw new Error('refused')
      return { sub: token, exp: startMs / 1_000 + expiresInSeconds }
    },
    { nowMs: () => now },
    { toleranceSeconds: 30, tokensMax },
  )
  return { verify, asked, at: (ms: number) => (now = startMs + ms) }
}

test('[VT1] a token is checked once a minute', async () => {
  const { verify, asked, at } = setUp()
  expect((await verify('ann')).sub).toBe('ann')
  at(59_999)
  expect((await verify('ann')).sub).toBe('ann')
  expect(asked).toEqual(['ann'])
  at(60_000)
  await verify('ann')
  expect(asked).toEqual(['ann', 'ann'])
  at(-1)
  await verify('ann')
  expect(asked).toHaveLength(3)
})

test('[VT1] a token that has expired is checked, and what was refused is checked each time', async () => {
  const { verify, asked, at } = setUp(10)
  await verify('ann')
  at(39_999)
  await verify('ann')
  expect(asked).toHaveLength(1)
  at(40_000)
  await verify('ann')
  expect(asked).toHaveLength(2)
  for (const _ of [1, 2]) await expect(verify('bad')).rejects.toThrow('refused')
  expect(asked).toHaveLength(4)
})

test('[VT2] of many tokens the last are known', async () => {
  const { verify, asked } = setUp(3_600, 2)
  for (const token of ['a', 'b', 'c', 'b', 'a']) await verify(token)
  expect(asked).toEqual(['a', 'b', 'c', 'a'])
})
