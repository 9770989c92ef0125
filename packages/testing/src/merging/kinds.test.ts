import { expect, onTestFinished, test } from 'vitest'
import { createKindsWorld, exchange, pageOf } from '../support/kinds-world.ts'
import { embedded } from '../support/store-kind.ts'
import { describeKinds } from './kinds.cases.ts'

describeKinds(embedded)

test('[C7] a set of the embedded store that is no JSON at all is shown as the text that it is, and keeps no page back', async () => {
  const w = await createKindsWorld(embedded, onTestFinished)
  await w.seed('odd', { body: 'text', tags: ['red'] })
  await w.seed('even', { body: 'text', tags: ['red'] })
  await w.database.read(`update pages set tags = 'red, blue' where id = 'odd' returning id`)
  const ada = await w.open('ada')
  expect((await pageOf(ada, 'odd')).tags).toBe('red, blue')
  expect((await pageOf(ada, 'even')).tags).toEqual(['red'])
  await ada.pages.add('odd', { tags: ['green'] })
  await exchange(ada)
  expect((await pageOf(ada, 'odd')).tags).toEqual(['green'])
})
