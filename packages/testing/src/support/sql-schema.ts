/** Collections of every kind of field, scope and merge, as the two ways of writing them are compared: by devices, and by plain SQL. */
import { collection, defineSchema, t } from '@holdfast/core'
import { yText } from '@holdfast/yjs'

export const sqlSchema = defineSchema({
  version: 1,
  collections: {
    leads: collection({
      fields: {
        owner: t.text({ optional: true }),
        rank: t.integer({ optional: true }),
        hot: t.boolean({ optional: true }),
        weight: t.real({ optional: true }),
        name: t.text({ default: '' }),
        stage: t.enum(['new', 'won', 'lost'], { default: 'new' }),
        met: t.instant({ optional: true }),
        info: t.json({ optional: true }),
        note: t.text({ default: '', merge: 'manual' }),
        visits: t.counter(),
        tags: t.set(),
        body: t.shared(yText),
      },
      indexes: [['owner', 'stage']],
      search: ['name', 'note'],
      scope: { agent: 'owner', rank: 'rank', hot: 'hot', weight: 'weight' },
    }),
    calls: collection({
      fields: { lead: t.ref('leads', { optional: true }), text: t.text({ default: '' }) },
      scope: { via: 'lead' },
    }),
    remarks: collection({
      fields: { call: t.ref('calls'), text: t.text({ default: '' }) },
      scope: { via: 'call' },
      history: 'all',
    }),
    plans: collection({ fields: { title: t.text({ default: '' }), steps: t.text({ default: '' }) }, merge: 'causal' }),
  },
})
