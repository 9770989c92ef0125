import type { DecisionItem, Write } from '@holdfast/client'
import { isObject, type Json, sameJson } from '@holdfast/core'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { ValueText } from '../conflicts/value-text.tsx'
import type { ShownRecord } from '../connection.ts'
import { RelativeTime } from '../sync/relative-time.tsx'
import type { Speech } from '../words/record-words.ts'
import { faultText, historyTexts, ownerText, Whose } from '../words/sentences.tsx'
import { UndoBar } from '../words/undo-bar.tsx'
import { DecisionText, isShortened, ShortValue } from './decision-text.tsx'

type Side = 'local' | 'remote'

export interface DecisionListProps {
  readonly speech: Speech
  /** Newest first. */
  readonly decisions: readonly DecisionItem[]
  /** The record now: what it shows is not offered to be put back. */
  readonly shown: ShownRecord
  readonly onRestore: (decision: DecisionItem, side: Side) => Write<void>
}

/** So many are shown at first; the older ones are asked for. */
const shownMax = 20

interface Restored {
  readonly decision: DecisionItem
  readonly side: Side
  readonly write: Write<void>
}

/** What was decided about a record, with what did not stand, which one action brings back. */
export function DecisionList({ speech, decisions, shown: record, onRestore }: DecisionListProps): ReactNode {
  const [restored, setRestored] = useState<Restored | null>(null)
  const [failure, setFailure] = useState<string | null>(null)
  const [showsAll, setShowsAll] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is shown now takes buttons away, and the focus with them.
  useEffect(() => {
    if (restored !== null && document.activeElement === document.body) root.current?.focus({ preventScroll: true })
  }, [restored, record])
  const shown = showsAll ? decisions : decisions.slice(0, shownMax)

  async function attempt(act: () => PromiseLike<unknown>): Promise<void> {
    setFailure(null)
    try {
      await act()
    } catch (error) {
      setFailure(faultText(error))
    }
  }

  function restore(decision: DecisionItem, side: Side): Promise<void> {
    return attempt(async () => {
      const write = onRestore(decision, side)
      await write
      setRestored({ decision, side, write })
    })
  }

  function takeBack({ write }: Restored): Promise<void> {
    return attempt(async () => {
      await write.undo()
      setRestored(null)
    })
  }

  if (decisions.length === 0) return <p className="hf-dim">{historyTexts.none}</p>
  return (
    <div ref={root} className="hf-panel hf-history" tabIndex={-1}>
      <div role="status">
        {restored !== null && (
          <UndoBar
            key={`${restored.decision.id} ${restored.side}`}
            onUndo={() => void takeBack(restored)}
            onEnd={() => setRestored(null)}
          >
            <RestoredText speech={speech} {...restored} />
          </UndoBar>
        )}
      </div>
      <p role="alert" className="hf-problem">
        {failure}
      </p>
      <ol className="hf-cards" aria-label="Decisions">
        {shown.map((decision) => (
          <li key={decision.id} className="hf-card">
            <p>
              {decision.field !== '' && <strong>{speech.field(decision.collection, decision.field)}: </strong>}
              <DecisionText speech={speech} decision={decision} />
            </p>
            <p className="hf-dim">
              Decided <RelativeTime atMs={decision.decidedAt} />
            </p>
            <Both speech={speech} decision={decision} />
            <div className="hf-actions">
              {decision.dropped
                .filter((side) => !isShown(decision, side, record))
                .map((side) => (
                  <button key={side} type="button" className="hf-button" onClick={() => void restore(decision, side)}>
                    <RestoreText speech={speech} decision={decision} side={side} />
                  </button>
                ))}
            </div>
          </li>
        ))}
      </ol>
      {shown.length < decisions.length && (
        <div className="hf-actions">
          <button type="button" className="hf-button" onClick={() => setShowsAll(true)}>
            {historyTexts.all(decisions.length)}
          </button>
        </div>
      )}
    </div>
  )
}

/** Whether the record shows this side already. While that is not known, nothing is offered. */
function isShown({ field, ...sides }: DecisionItem, side: Side, record: ShownRecord): boolean {
  if (record.kind === 'loading') return true
  const { values } = record
  const value = sides[side]
  const shows = (name: string, one: Json) => values !== null && sameJson((values[name] ?? null) as Json, one)
  if (field !== '') return shows(field, value)
  return isObject(value) ? Object.entries(value).every(([name, one]) => shows(name, one as Json)) : values === null
}

interface SideProps {
  readonly speech: Speech
  readonly decision: DecisionItem
  readonly side: Side
}

function RestoreText({ speech, decision, side }: SideProps): ReactNode {
  const value = decision[side]
  if (decision.field === '' && value === null) return `Delete the ${speech.one(decision.collection)} after all`
  return (
    <span>
      Put back <Whose by={side === 'local' ? decision.localBy : decision.remoteBy} speech={speech} />{' '}
      <ShortValue speech={speech} decision={decision} value={value} />
    </span>
  )
}

function RestoredText({ speech, decision, side }: SideProps): ReactNode {
  const value = decision[side]
  if (decision.field === '' && value === null) return `The ${speech.one(decision.collection)} is deleted`
  return (
    <>
      <ShortValue speech={speech} decision={decision} value={value} /> is back
    </>
  )
}

/** Texts that a sentence only begins, and the fields of a whole record. */
function Both({ speech, decision }: Omit<SideProps, 'side'>): ReactNode {
  const { local, remote, base, localBy, remoteBy } = decision
  if (!isShortened(speech, decision, local) && !isShortened(speech, decision, remote)) return null
  return (
    <details>
      <summary>{historyTexts.both}</summary>
      <dl className="hf-written">
        {(
          [
            [localBy, local, remote],
            [remoteBy, remote, local],
          ] as const
        ).map(([by, value, other], index) => (
          <div key={index === 0 ? 'local' : 'remote'}>
            <dt>{ownerText(speech, by, by.user === speech.user)}</dt>
            <dd>
              <Whole speech={speech} decision={decision} value={value} other={isObject(other) ? other : base} />
            </dd>
          </div>
        ))}
      </dl>
    </details>
  )
}

function Whole({
  speech,
  decision,
  value,
  other,
}: Omit<SideProps, 'side'> & { readonly value: Json; readonly other: unknown }): ReactNode {
  const { collection, field, base } = decision
  if (field !== '') return <ValueText speech={speech} collection={collection} field={field} value={value} base={base} />
  if (!isObject(value)) return 'Deleted'
  return Object.entries(value)
    .filter(([name, mine]) => !isObject(other) || !sameJson(mine as Json, (other[name] ?? null) as Json))
    .map(([name, mine]) => (
      <span key={name} className="hf-whole-field">
        <span className="hf-dim">{speech.field(collection, name)}:</span>{' '}
        <ValueText speech={speech} collection={collection} field={name} value={mine as Json} />
      </span>
    ))
}
