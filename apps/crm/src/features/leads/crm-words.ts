/** How the screens on conflicts, refusals and history call the data of the CRM. */
import type { Json } from '@holdfast/core'
import type { RecordWords } from '@holdfast/react'
import { callOutcomes, sources, stages } from '../../schema.ts'
import { budgetText, durationText, outcomeNames, sourceNames, stageNames } from './lead-words.ts'
import { personName } from './person-name.tsx'

export const crmWords = {
  person: personName,
  collections: {
    leads: {
      one: 'lead',
      fields: {
        owner: { name: 'Agent', value: (user) => personName(String(user)) },
        stage: { value: (value) => nameOf(stages, stageNames, value) },
        source: { value: (value) => nameOf(sources, sourceNames, value) },
        budget: { value: (budget) => (typeof budget === 'number' ? budgetText(budget) : '') },
      },
    },
    calls: {
      one: 'call',
      fields: {
        owner: { name: 'Agent', value: (user) => personName(String(user)) },
        outcome: { value: (value) => nameOf(callOutcomes, outcomeNames, value) },
        seconds: { name: 'Length', value: (seconds) => (typeof seconds === 'number' ? durationText(seconds) : '') },
        note: { name: 'Call note' },
        at: { name: 'Time' },
      },
    },
  },
} as const satisfies RecordWords

function nameOf<V extends string>(values: readonly V[], names: { readonly [value in V]: string }, value: Json): string {
  const known = values.find((one) => one === value)
  return known === undefined ? String(value) : names[known]
}
