/** What a person sent again from the inbox, told apart from what was refused before. Pure. */
import type { InboxGroup } from '@holdfast/client'

export interface Retried {
  readonly group: InboxGroup
  /** The groups that lay in the inbox when it was sent again. */
  readonly known: readonly string[]
}

/** What is sent again gets a new id: by its record and kind it is known again. */
export function refusedAgain({ group, known }: Retried, later: InboxGroup): boolean {
  return (
    !known.includes(later.id) &&
    later.items.some(
      ({ collection, record, kind }) =>
        collection === group.collection && record === group.record && kind === group.kind,
    )
  )
}
