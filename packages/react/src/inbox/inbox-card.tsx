import type { InboxGroup, InboxItem } from '@holdfast/client'
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import type { ShownRecord } from '../connection.ts'
import { RelativeTime } from '../sync/relative-time.tsx'
import type { Speech } from '../words/record-words.ts'
import { deletedText, hangText, inboxTexts, lostText, reasonText, whatText } from '../words/sentences.tsx'
import { Written } from './written.tsx'

export interface InboxCardProps {
  readonly speech: Speech
  readonly group: InboxGroup
  /** A record by its name, with what is known of it from a change; null where the app names none. */
  readonly nameOf: (record: NamedRecord) => ReactNode
  /** Whether a person has sent it again, and the server has refused it once more. */
  readonly isAgain: boolean
  /** The record as it is here now. */
  readonly shown: ShownRecord
  /** Opens the app's form for the operation at fault, at `item.field`; null where it has none. */
  readonly onFix: ((item: InboxItem) => void) | null
  readonly onRetry: () => void
  /** Brings the record back, which somebody has deleted. */
  readonly onBringBack: () => void
  /** Sends the change again as of now. */
  readonly onSendNow: () => void
  readonly onDiscard: () => void
}

export type NamedRecord = Pick<InboxItem, 'collection' | 'record' | 'fields' | 'was'>

/** One cause: what the server did not take and why, what hangs on it, and what can be done. */
export function InboxCard(props: InboxCardProps): ReactNode {
  const { speech, group, nameOf, isAgain, shown } = props
  const title = useId()
  const name = nameOf(group)
  const others = group.items.filter(({ id }) => id !== group.id)
  return (
    <li className="hf-card">
      <section aria-labelledby={title}>
        <h2 id={title}>
          {whatText(speech, group)}
          {name !== null && <>: {name}</>}
        </h2>
        <p className="hf-problem">{reasonText(speech, group)}</p>
        {isDeleted(group) && shown.kind === 'known' && (
          <p>{deletedText(speech, group.collection, shown.values !== null)}</p>
        )}
        <p className="hf-dim">
          {isAgain ? 'Refused again' : 'Refused'} <RelativeTime atMs={group.refusedAt} />
        </p>
        <Written speech={speech} item={group} group={group} nameOf={nameOf} />
        {others.length > 0 && (
          <details>
            <summary>{hangText(others.length)}</summary>
            <ul>
              {others.map((item) => (
                <li key={item.id}>
                  {whatText(speech, item)}
                  <Written speech={speech} item={item} group={group} nameOf={nameOf} />
                </li>
              ))}
            </ul>
          </details>
        )}
        <Actions {...props} />
        <details className="hf-support">
          <summary>{inboxTexts.support}</summary>
          <p className="hf-code">{codeOf(group)}</p>
        </details>
      </section>
    </li>
  )
}

/** For whoever is asked for help: the stable word, and the field by its name in the schema. */
function codeOf({ code, field }: InboxItem): string {
  return field === null ? code : `${code} · ${field}`
}

/** There was no record to change any more: no form and no second try helps, before it is back. */
function isDeleted({ code, kind }: InboxItem): boolean {
  return code === 'RECORD_DELETED' && kind !== 'create' && kind !== 'delete' && kind !== 'restore'
}

function Actions(props: InboxCardProps): ReactNode {
  const { speech, group, onDiscard } = props
  const [isAsking, setIsAsking] = useState(false)
  const first = useRef<HTMLButtonElement>(null)
  const wasAsking = useRef(false)
  useEffect(() => {
    // The button that was pressed has gone, either way.
    if (isAsking !== wasAsking.current) first.current?.focus()
    wasAsking.current = isAsking
  }, [isAsking])
  if (isAsking) {
    return (
      <div className="hf-lost">
        <p>{lostText(speech, group.items, group)}</p>
        <div className="hf-actions">
          <button ref={first} type="button" className="hf-button hf-danger" onClick={onDiscard}>
            {inboxTexts.discard}
          </button>
          <button type="button" className="hf-button" onClick={() => setIsAsking(false)}>
            {inboxTexts.keep}
          </button>
        </div>
      </div>
    )
  }
  return (
    <div className="hf-actions">
      <Mending {...props} />
      <button ref={first} type="button" className="hf-button" onClick={() => setIsAsking(true)}>
        {inboxTexts.discard}…
      </button>
    </div>
  )
}

function Mending({ group, shown, onFix, onRetry, onBringBack, onSendNow }: InboxCardProps): ReactNode {
  if (isDeleted(group)) {
    if (shown.kind === 'loading') return null
    const isHere = shown.values !== null
    // One button for both, so that the focus stays where the next step is.
    return (
      <button type="button" className="hf-button hf-primary" onClick={isHere ? onSendNow : onBringBack}>
        {isHere ? inboxTexts.sendAgain : inboxTexts.bringBack}
      </button>
    )
  }
  return (
    <>
      {onFix !== null && (
        <button type="button" className="hf-button hf-primary" onClick={() => onFix(group)}>
          {inboxTexts.fix}
        </button>
      )}
      <button type="button" className="hf-button" onClick={onRetry}>
        {inboxTexts.retry}
      </button>
    </>
  )
}
