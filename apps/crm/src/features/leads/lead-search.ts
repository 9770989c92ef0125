/** What the list shows, as the URL says it: a link to a filtered list can be kept and shared. */
import { sources, stages } from '../../schema.ts'
import type { Source, Stage } from './lead-words.ts'

export const sorts = ['updated', 'created', 'name', 'budget'] as const
export type Sort = (typeof sorts)[number]

/** A default is left out, so that the plain list has a plain URL. */
export interface LeadSearch {
  readonly q?: string
  readonly stage?: Stage
  readonly source?: Source
  readonly district?: string
  readonly owner?: 'mine'
  readonly sort?: Exclude<Sort, 'updated'>
}

/** From whatever stands in the URL; what is not known is dropped. */
export function parseLeadSearch(input: { readonly [key: string]: unknown }): LeadSearch {
  const stage = stages.find((known) => known === input.stage)
  const source = sources.find((known) => known === input.source)
  const sort = sorts.find((known) => known === input.sort)
  return {
    // The router reads ?q=0100 as a number; what was typed is text.
    ...(typeof input.q === 'string' || typeof input.q === 'number' ? textIn('q', String(input.q)) : {}),
    ...(stage === undefined ? {} : { stage }),
    ...(source === undefined ? {} : { source }),
    ...(typeof input.district === 'string' ? textIn('district', input.district) : {}),
    ...(input.owner === 'mine' ? { owner: 'mine' } : {}),
    ...(sort === undefined || sort === 'updated' ? {} : { sort }),
  }
}

function textIn<K extends string>(key: K, text: string): { readonly [key in K]?: string } {
  const kept: { [key in K]?: string } = {}
  if (text !== '') kept[key] = text.slice(0, 200)
  return kept
}

/** How many filters stand, search and sort not counted. */
export function filterCount({ stage, source, district, owner }: LeadSearch): number {
  return [stage, source, district, owner].filter((value) => value !== undefined).length
}
