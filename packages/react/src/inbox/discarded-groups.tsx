import type { DiscardedGroup } from '@holdfast/client'
import { type ReactNode, useRef, useState } from 'react'
import { RelativeTime } from '../sync/relative-time.tsx'
import type { Speech } from '../words/record-words.ts'
import { faultText, hangText, inboxTexts, whatText } from '../words/sentences.tsx'
import type { NamedRecord } from './inbox-card.tsx'
import { Written } from './written.tsx'

export interface DiscardedGroupsProps {
  readonly speech: Speech
  /** The latest first. */
  readonly groups: readonly DiscardedGroup[]
  readonly nameOf: (record: NamedRecord) => ReactNode
  readonly onTakeBack: (group: DiscardedGroup) => Promise<void>
}

/** What was discarded and can be taken back still, folded. */
export function DiscardedGroups({ speech, groups, nameOf, onTakeBack }: DiscardedGroupsProps): ReactNode {
  const root = useRef<HTMLDivElement>(null)
  const [said, setSaid] = useState('')

  async function takeBack(group: DiscardedGroup): Promise<void> {
    try {
      await onTakeBack(group)
      // The button that was pressed has gone.
      root.current?.focus()
      setSaid(`${whatText(speech, group)} is back.`)
    } catch (error) {
      setSaid(faultText(error))
    }
  }

  return (
    <div ref={root} className="hf-discarded" tabIndex={-1}>
      <p role="status" className="hf-dim">
        {said}
      </p>
      {groups.length > 0 && (
        <details className="hf-panel">
          <summary>
            {inboxTexts.discarded} ({groups.length})
          </summary>
          <p className="hf-dim">What you discard {inboxTexts.kept}.</p>
          <ul className="hf-cards" aria-label={inboxTexts.discarded}>
            {groups.map((group) => (
              <DiscardedCard
                key={group.id}
                speech={speech}
                group={group}
                nameOf={nameOf}
                onTakeBack={() => void takeBack(group)}
              />
            ))}
          </ul>
        </details>
      )}
    </div>
  )
}

interface DiscardedCardProps {
  readonly speech: Speech
  readonly group: DiscardedGroup
  readonly nameOf: (record: NamedRecord) => ReactNode
  readonly onTakeBack: () => void
}

function DiscardedCard({ speech, group, nameOf, onTakeBack }: DiscardedCardProps): ReactNode {
  const name = nameOf(group)
  const others = group.items.length - 1
  return (
    <li className="hf-card">
      <h2>
        {whatText(speech, group)}
        {name !== null && <>: {name}</>}
      </h2>
      {group.discardedAt !== null && (
        <p className="hf-dim">
          Discarded <RelativeTime atMs={group.discardedAt} />
        </p>
      )}
      <Written speech={speech} item={group} group={group} nameOf={nameOf} />
      {others > 0 && <p>{hangText(others)}</p>}
      <div className="hf-actions">
        <button type="button" className="hf-button" onClick={onTakeBack}>
          {inboxTexts.takeBack}
        </button>
      </div>
    </li>
  )
}
