/** The list of every bench: 50 leads of one agent in one stage, newest first. */
import type { DeviceTables } from '@holdfast/core'
import type { Kysely } from 'kysely'
import { type Crm, stages } from '../../apps/crm/src/schema.ts'

export type Stage = (typeof stages)[number]

export function listOf(q: Kysely<DeviceTables<Crm>>, owner: string, stage: string) {
  return q
    .selectFrom('leads')
    .selectAll()
    .where('owner', '=', owner)
    .where('stage', '=', asStage(stage))
    .orderBy('updatedAt', 'desc')
    .limit(50)
}

export function asStage(text: string): Stage {
  const stage = stages.find((known) => known === text)
  if (stage === undefined) throw new Error(`There is no stage ${text}.`)
  return stage
}
