import { expect, test } from 'vitest'
import { sharedQuestion } from './shared-question.ts'

function questions() {
  const open: PromiseWithResolvers<number>[] = []
  const ask = sharedQuestion(() => {
    const answer = Promise.withResolvers<number>()
    open.push(answer)
    return answer.promise
  })
  return { ask, open }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('who asks together gets one answer; who asks later gets one that was begun later', async () => {
  const { ask, open } = questions()
  const first = Promise.all([ask(), ask()])
  await turn()
  expect(open).toHaveLength(1)
  const second = Promise.all([ask(), ask(), ask()])
  await turn()
  expect(open).toHaveLength(1)
  open[0]?.resolve(1)
  expect(await first).toEqual([1, 1])
  await turn()
  expect(open).toHaveLength(2)
  open[1]?.resolve(2)
  expect(await second).toEqual([2, 2, 2])
})

test('a question that fails does so for those who asked it, and the next is asked', async () => {
  const { ask, open } = questions()
  const failing = ask()
  await turn()
  const next = ask()
  open[0]?.reject(new Error('no'))
  await expect(failing).rejects.toThrow('no')
  await turn()
  open[1]?.resolve(2)
  expect(await next).toBe(2)
})
