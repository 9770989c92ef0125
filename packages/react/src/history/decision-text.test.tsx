import type { DecisionItem } from '@holdfast/client'
import { collection, defineSchema, t } from '@holdfast/core'
import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { createSpeech, momentText } from '../words/record-words.ts'
import { DecisionText } from './decision-text.tsx'

const leads = collection({ fields: { stage: t.text(), dueAt: t.instant({ optional: true }) } })
const schema = defineSchema({ version: 1, collections: { leads } })
const names: { readonly [user: string]: string } = { amal: 'Amal', mona: 'Mona', nadia: 'Nadia' }
const words = { person: (user: string) => names[user] ?? user }

const earlier = Date.UTC(2026, 1, 3, 10, 40)
const later = Date.UTC(2026, 1, 3, 10, 42)
const amal = { user: 'amal', device: 'd1', at: later, correctedAt: later }
const mona = { user: 'mona', device: 'd2', at: earlier, correctedAt: earlier }

const clash = {
  collection: 'leads',
  record: 'r1',
  field: 'stage',
  strategy: 'lww',
  winner: 'local',
  base: 'new',
  local: 'visit',
  remote: 'won',
  result: 'visit',
  localBy: amal,
  remoteBy: mona,
  settledBy: null,
} as const satisfies Partial<DecisionItem>

const at = (ms: number) => momentText(ms)

const cases: readonly (readonly [string, Partial<DecisionItem>, string])[] = [
  [
    'what came in is later',
    {},
    `Amal’s visit of ${at(later)} was kept over Mona’s won of ${at(earlier)}: it was written later.`,
  ],
  [
    'what was there is later',
    { winner: 'remote', result: 'won', strategy: 'serverWins' },
    `Mona’s won of ${at(earlier)} was kept over Amal’s visit of ${at(later)}: the server had it already.`,
  ],
  [
    'to its writer',
    { remoteBy: { ...mona, user: 'me' } },
    `Amal’s visit of ${at(later)} was kept over your won of ${at(earlier)}: it was written later.`,
  ],
  [
    'settled by a person with a third value',
    { winner: 'merged', result: 'both', strategy: 'manual', settledBy: { ...mona, user: 'nadia' } },
    `Amal’s visit of ${at(later)} and Mona’s won of ${at(earlier)} became both: Nadia decided.`,
  ],
  [
    'a rule of the app',
    { winner: 'merged', result: 'both', strategy: 'custom' },
    `Amal’s visit of ${at(later)} and Mona’s won of ${at(earlier)} became both: by the rule of this app.`,
  ],
  [
    'emptied',
    { field: 'dueAt', local: null, remote: later },
    `Amal’s empty of ${at(later)} was kept over Mona’s ${at(later)} of ${at(earlier)}: it was written later.`,
  ],
  [
    'of an instant and of a time that no calendar reaches',
    { field: 'dueAt', local: 1e300, remote: 9e15, remoteBy: { ...mona, correctedAt: -9e15 } },
    `Amal’s 1e+300 of ${at(later)} was kept over Mona’s 9000000000000000 of -9000000000000000: it was written later.`,
  ],
  [
    'a deletion over an edit',
    { field: '', strategy: 'deleteWins', local: null, remote: { stage: 'won' }, result: null },
    `Amal’s deletion of ${at(later)} was kept over Mona’s change of ${at(earlier)}: a deletion counts more here.`,
  ],
  [
    'a long text is cut',
    { local: 'a'.repeat(80), result: 'a'.repeat(80) },
    `Amal’s ${'a'.repeat(60)}… of ${at(later)} was kept over Mona’s won of ${at(earlier)}: it was written later.`,
  ],
]

test.each(cases)('a decision in plain words: %s', (_, change, sentence) => {
  const decision = { id: 'd', version: 3, operation: '0', decidedAt: later, dropped: [], ...clash, ...change }
  const speech = createSpeech(schema, words, 'me')
  // The brand of the operation's id is made by a parser that needs no test here.
  const html = renderToStaticMarkup(<DecisionText speech={speech} decision={decision as unknown as DecisionItem} />)
  expect(html.replaceAll(/<[^>]+>/g, '')).toBe(sentence)
})
