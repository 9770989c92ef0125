import type { ConflictItem } from '@holdfast/client'
import type { RecordSync } from '@holdfast/core'
import { useConflicts } from '../../hooks.ts'

/** The leads about which somebody has to decide, whoever wrote the sides. */
export function useAskedLeads(): ReadonlySet<string> {
  return leadsOf(useConflicts())
}

/** What the mark of a lead says: a question concerns everybody who sees the lead, and `$sync` tells only its author. */
export function markOf({ id, $sync }: { readonly id: string; readonly $sync: RecordSync }, asked: ReadonlySet<string>) {
  return $sync === 'synced' && asked.has(id) ? 'conflict' : $sync
}

/** One set for all rows of a list, as long as the conflicts are the same. */
const known = new WeakMap<readonly ConflictItem[], ReadonlySet<string>>()

function leadsOf(conflicts: readonly ConflictItem[]): ReadonlySet<string> {
  let leads = known.get(conflicts)
  if (leads === undefined) {
    leads = new Set(conflicts.filter(({ collection }) => collection === 'leads').map(({ record }) => record))
    known.set(conflicts, leads)
  }
  return leads
}
