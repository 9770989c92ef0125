import type { QueryBuilder } from '@holdfast/client'
import type { DeviceTables } from '@holdfast/core'
import type { Crm } from '../../schema.ts'
import type { Stage } from '../leads/lead-words.ts'

export type BoardLead = Pick<
  DeviceTables<Crm>['leads'],
  'id' | 'name' | 'stage' | 'district' | 'budget' | 'updatedAt' | '$sync'
>

/** Whose leads: one agent's, or all that this device holds. */
export type Owner = string | null

export function stageCounts(owner: Owner): QueryBuilder<Crm, { readonly stage: Stage; readonly count: number }> {
  return (q) => {
    const leads = q.selectFrom('leads')
    return (owner === null ? leads : leads.where('owner', '=', owner))
      .select(({ fn }) => ['stage', fn.countAll<number>().as('count')])
      .groupBy('stage')
  }
}

export function stageLeads(
  stage: Stage,
  { owner, limit }: { readonly owner: Owner; readonly limit: number },
): QueryBuilder<Crm, BoardLead> {
  return (q) => {
    const leads = q.selectFrom('leads').where('stage', '=', stage)
    return (owner === null ? leads : leads.where('owner', '=', owner))
      .select(['id', 'name', 'stage', 'district', 'budget', 'updatedAt', '$sync'])
      .orderBy('updatedAt', 'desc')
      .limit(limit)
  }
}
