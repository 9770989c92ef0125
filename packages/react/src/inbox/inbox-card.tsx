import type { InboxGroup, InboxItem } from '@holdfast/client'
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import { ValueText } from '../conflicts/value-text.tsx'
import { RelativeTime } from '../sync/relative-time.tsx'
import type { Speech } from '../words/record-words.ts'
import { hangText, inboxTexts, lostText, reasonText, whatText } from '../words/sentences.tsx'

export interface InboxCardProps {
  readonly speech: Speech
  readonly group: InboxGroup
  /** The record by its name; null where the app names none. */
  readonly name: ReactNode
  /** Opens the app's form for the operation at fault, at `item.field`; null where it has none. */
  readonly onFix: ((item: InboxItem) => void) | null
  readonly onRetry: () => void
  readonly onDiscard: () => void
}

/** One cause: what the server did not take and why, what hangs on it, and what can be done. */
export function InboxCard({ speech, group, name, onFix, onRetry, onDiscard }: InboxCardProps): ReactNode {
  const title = useId()
  const others = group.items.filter(({ id }) => id !== group.id)
  return (
    <li className="hf-card">
      <section aria-labelledby={title}>
        <h2 id={title}>
          {whatText(speech, group)}
          {name !== null && <>: {name}</>}
        </h2>
        <p className="hf-problem">
          {reasonText(speech, group)} <span className="hf-code">{codeOf(group)}</span>
        </p>
        <p className="hf-dim">
          Refused <RelativeTime atMs={group.refusedAt} />
        </p>
        <Written speech={speech} item={group} />
        {others.length > 0 && (
          <details>
            <summary>{hangText(others.length)}</summary>
            <ul>
              {others.map((item) => (
                <li key={item.id}>
                  {whatText(speech, item)}
                  <Written speech={speech} item={item} />
                </li>
              ))}
            </ul>
          </details>
        )}
        <Actions speech={speech} group={group} onFix={onFix} onRetry={onRetry} onDiscard={onDiscard} />
      </section>
    </li>
  )
}

/** For whoever is asked for help: the stable word, and the field by its name in the schema. */
function codeOf({ code, field }: InboxItem): string {
  return field === null ? code : `${code} · ${field}`
}

/** What was written, the field at fault first; the record itself may not be here. */
function Written({ speech, item }: { readonly speech: Speech; readonly item: InboxItem }): ReactNode {
  const isGiven = (field: string): boolean =>
    item.kind !== 'create' || !speech.isDefault(item.collection, field, item.fields[field] ?? null)
  const fields = Object.entries(item.fields)
    .filter(([field]) => field === item.field || isGiven(field))
    .sort(([a], [b]) => Number(b === item.field) - Number(a === item.field))
  if (fields.length === 0) return null
  return (
    <dl className="hf-written">
      {fields.map(([field, value]) => (
        <div key={field} data-at-fault={field === item.field}>
          <dt>{speech.field(item.collection, field)}</dt>
          <dd>
            <ValueText speech={speech} collection={item.collection} field={field} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Actions({
  speech,
  group,
  onFix,
  onRetry,
  onDiscard,
}: Pick<InboxCardProps, 'speech' | 'group' | 'onFix' | 'onRetry' | 'onDiscard'>): ReactNode {
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
      {onFix !== null && (
        <button type="button" className="hf-button hf-primary" onClick={() => onFix(group)}>
          {inboxTexts.fix}
        </button>
      )}
      <button type="button" className="hf-button" onClick={onRetry}>
        {inboxTexts.retry}
      </button>
      <button ref={first} type="button" className="hf-button" onClick={() => setIsAsking(true)}>
        {inboxTexts.discard}…
      </button>
    </div>
  )
}
