/** The queries of the list. */
import { matches, type QueryBuilder } from '@holdfast/client'
import type { DeviceTables } from '@holdfast/core'
import type { Kysely, SelectQueryBuilder } from 'kysely'
import { sql } from 'kysely'
import type { Crm } from '../../schema.ts'
import type { LeadSearch } from './lead-search.ts'

type Tables = DeviceTables<Crm>
type LeadQuery<Row> = SelectQueryBuilder<Tables, 'leads', Row>

export type LeadRow = Pick<
  Tables['leads'],
  'id' | 'name' | 'phone' | 'stage' | 'source' | 'district' | 'budget' | 'owner' | 'createdAt' | 'updatedAt' | '$sync'
>

/**
 * One window of the list. The inner query walks an index and counts off the rows before the window without reading them; only
 * the window's own rows are read from the table.
 */
export function leadWindow(
  search: LeadSearch,
  { me, offset, limit }: { readonly me: string; readonly offset: number; readonly limit: number },
): QueryBuilder<Crm, LeadRow> {
  return (q) =>
    inOrder(
      q
        .selectFrom('leads')
        .select([
          'id',
          'name',
          'phone',
          'stage',
          'source',
          'district',
          'budget',
          'owner',
          'createdAt',
          'updatedAt',
          '$sync',
        ])
        .where(
          rowid,
          'in',
          inOrder(matching(q, search, me).select(rowid.as('rowid')), search)
            .limit(limit)
            .offset(offset),
        ),
      search,
    )
}

export function leadCount(search: LeadSearch, me: string): QueryBuilder<Crm, { readonly count: number }> {
  return (q) => matching(q, search, me).select(({ fn }) => fn.countAll<number>().as('count'))
}

const rowid = sql<number>`leads.rowid`

function matching(q: Kysely<Tables>, { q: typed, stage, source, district, owner }: LeadSearch, me: string) {
  let query: LeadQuery<Record<never, never>> = q.selectFrom('leads')
  if (owner === 'mine') query = query.where('owner', '=', me)
  if (stage !== undefined) query = query.where('stage', '=', stage)
  if (source !== undefined) query = query.where('source', '=', source)
  if (district !== undefined) query = query.where('district', '=', district)
  if (typed !== undefined) query = query.where(matches('leads', typed))
  return query
}

/** The rowid makes the order total: windows neither repeat nor miss a row. */
function inOrder<Row>(query: LeadQuery<Row>, { sort }: LeadSearch): LeadQuery<Row> {
  switch (sort ?? 'updated') {
    case 'created':
      return query.orderBy('createdAt', 'desc').orderBy(rowid, 'desc')
    case 'budget':
      return query.orderBy('budget', 'desc').orderBy(rowid, 'desc')
    case 'name':
      return query.orderBy('name').orderBy(rowid)
    case 'updated':
      return query.orderBy('updatedAt', 'desc').orderBy(rowid, 'desc')
  }
}
