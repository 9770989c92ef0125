/** The worker file of a newer version of the app of tabs.test.worker.ts, without a network. */
import { collection, defineSchema, renamed, t } from '@holdfast/core'
import { startWorker } from './index.ts'

globalThis.fetch = async () => {
  throw new TypeError('no network')
}

startWorker(
  defineSchema({
    version: 2,
    migrations: { 2: { leads: [renamed('name', 'title')] } },
    collections: { leads: collection({ fields: { title: t.text({ min: 1 }), isHot: t.boolean({ default: false }) } }) },
  }),
)
