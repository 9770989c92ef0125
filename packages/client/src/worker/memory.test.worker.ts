/** An app's worker in a browser that has no private file system. */
import { collection, defineSchema, t } from '@holdfast/core'
import { startWorker } from './index.ts'

Object.defineProperty(navigator.storage, 'getDirectory', { value: () => Promise.reject(new Error('refused')) })

startWorker(
  defineSchema({
    version: 1,
    collections: { leads: collection({ fields: { name: t.text({ min: 1 }), isHot: t.boolean({ default: false }) } }) },
  }),
)
