/** The data of the tests of trouble: leads and calls of agents, as devices know them, as the server does, and as a newer app would. */
import { collection, defineSchema, t } from '@holdfast/core'

const leadFields = {
  owner: t.text({ min: 1 }),
  stage: t.enum(['new', 'contacted', 'won', 'lost'], { default: 'new' }),
  note: t.text({ default: '' }),
  budget: t.integer({ min: 0, default: 0 }),
  visits: t.counter(),
}
const calls = collection({
  fields: { lead: t.ref('leads'), owner: t.text({ min: 1 }), note: t.text({ default: '' }) },
  scope: { agent: 'owner' },
})
const name = t.text({ min: 1 })

export const leadSchema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { name, ...leadFields }, search: ['name'], scope: { agent: 'owner' } }),
    calls,
  },
})

/** The server's names are shorter than what devices let through: an operation that only the server refuses. */
export const serverSchema = defineSchema({
  version: 1,
  collections: {
    leads: collection({ fields: { name: t.text({ min: 1, max: 60 }), ...leadFields }, scope: { agent: 'owner' } }),
    calls,
  },
})
export const nameTooLong = 'x'.repeat(61)

/** An app with a field and a collection that this server does not have: at version 1 by mistake, at version 2 for being newer. */
export function widerSchema(version: 1 | 2) {
  return defineSchema({
    version,
    collections: {
      leads: collection({
        fields: { name, ...leadFields, source: t.text({ default: '' }) },
        scope: { agent: 'owner' },
      }),
      calls,
      offers: collection({ fields: { owner: t.text({ min: 1 }), price: t.integer() }, scope: { agent: 'owner' } }),
    },
  })
}
