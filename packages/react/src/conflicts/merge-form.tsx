import type { ConflictItem } from '@holdfast/client'
import type { Collection } from '@holdfast/core'
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import type { Speech } from '../words/record-words.ts'
import { allOfText, askedAgainText, faultText, mergeTexts, missingText } from '../words/sentences.tsx'
import type { KeptAnswers } from './kept-answers.ts'
import {
  answered,
  answeredAll,
  answersOf,
  followed,
  type MergeDraft,
  openRows,
  type Results,
  resultsOf,
  startDraft,
} from './merge-draft.ts'
import { QuestionRow } from './question-row.tsx'

export interface MergeFormProps {
  readonly speech: Speech
  readonly collection: Collection
  /** All open conflicts of one record; a new array when one of them has changed. */
  readonly items: readonly [ConflictItem, ...ConflictItem[]]
  /** Where what was chosen and typed so far is kept while the screen is closed. */
  readonly kept: KeptAnswers
  /** Resolves when the decision is saved. */
  readonly onSettle: (results: Results) => Promise<void>
  readonly onLater: () => void
}

/** The open conflicts of one record, row by row, each to be decided by a person. */
export function MergeForm({ speech, collection, items, kept, onSettle, onLater }: MergeFormProps): ReactNode {
  const form = useRef<HTMLFormElement>(null)
  const missing = useId()
  const [draft, setDraft] = useState(() => startDraft(collection, items, kept.read()))
  const [seen, setSeen] = useState(items)
  const [busy, setBusy] = useState(false)
  const [failure, setFailure] = useState<string | null>(null)
  if (seen !== items) {
    setSeen(items)
    setDraft((before) => followed(before, items))
  }
  useEffect(() => kept.write(answersOf(draft)), [kept, draft])
  useKeptFocus(form, draft)
  const results = resultsOf(draft)

  async function settle(decided: Results): Promise<void> {
    setBusy(true)
    setFailure(null)
    try {
      await onSettle(decided)
      kept.write([])
    } catch (error) {
      setFailure(faultText(error))
      setBusy(false)
    }
  }

  return (
    <form
      ref={form}
      className="hf-panel hf-merge"
      tabIndex={-1}
      aria-label={mergeTexts.title}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        if (busy) return
        if (results === null) focusOpen(event.currentTarget, draft)
        else void settle(results)
      }}
    >
      <p>{mergeTexts.intro}</p>
      <AllOfOne speech={speech} draft={draft} onAll={(whose) => setDraft(answeredAll(draft, whose))} />
      {draft.rows.map((row) => (
        <QuestionRow
          key={row.question.field}
          speech={speech}
          collection={collection}
          row={row}
          onAnswer={(answer) => setDraft((before) => answered(before, row.question.field, answer))}
        />
      ))}
      <News speech={speech} draft={draft} />
      <p role="alert" className="hf-problem">
        {failure}
      </p>
      <div className="hf-actions hf-merge-end">
        <button
          type="submit"
          className="hf-button hf-primary"
          aria-disabled={results === null || busy}
          aria-describedby={missing}
        >
          {mergeTexts.save}
        </button>
        <button type="button" className="hf-button" onClick={onLater}>
          {mergeTexts.later}
        </button>
        <p id={missing} role="status" className="hf-dim">
          {missingText(speech, openRows(draft), draft.rows.length)}
        </p>
      </div>
    </form>
  )
}

interface AllOfOneProps {
  readonly speech: Speech
  readonly draft: MergeDraft
  readonly onAll: (whose: 'remote' | 'local') => void
}

/** Everything from one hand; offered where the sides of all rows have one author each, and there is more than one row. */
function AllOfOne({ speech, draft, onAll }: AllOfOneProps): ReactNode {
  if (draft.rows.length < 2) return null
  const sides = draft.rows.map(({ question }) => question.sides[0])
  const writers = new Set(sides.map(({ localBy }) => localBy.user))
  const others = new Set(sides.map(({ remoteBy }) => remoteBy.user))
  const [writer] = writers
  const [other] = others
  const isOwn = sides.every((side) => side.isOwn)
  return (
    <div className="hf-actions">
      {(isOwn || writers.size === 1) && (
        <button type="button" className="hf-button" onClick={() => onAll('local')}>
          {isOwn || writer === undefined ? mergeTexts.allYours : allOfText(speech, writer)}
        </button>
      )}
      <button type="button" className="hf-button" onClick={() => onAll('remote')}>
        {isOwn || others.size > 1 || other === undefined || other === writer
          ? mergeTexts.allTheirs
          : other === speech.user
            ? mergeTexts.allYours
            : allOfText(speech, other)}
      </button>
    </div>
  )
}

/** What changed under the screen, for those who do not see it. */
function News({ speech, draft }: Pick<AllOfOneProps, 'speech' | 'draft'>): ReactNode {
  return (
    <div className="hf-visually-hidden" aria-live="polite">
      {draft.rows
        .flatMap(({ changedBy, question }) => (changedBy === null ? [] : [{ changedBy, ...question }]))
        .map(({ changedBy, field, sides }) => (
          <p key={field}>
            {speech.field(sides[0].collection, field)}: {askedAgainText(speech, changedBy)}
          </p>
        ))}
    </div>
  )
}

/** A row that was settled elsewhere goes, and may take the focus with it. */
function useKeptFocus(form: { readonly current: HTMLFormElement | null }, { rows }: MergeDraft): void {
  const count = useRef(rows.length)
  useEffect(() => {
    if (rows.length < count.current && document.activeElement === document.body) form.current?.focus()
    count.current = rows.length
  }, [form, rows.length])
}

function focusOpen(form: HTMLFormElement, draft: MergeDraft): void {
  const field = openRows(draft)[0]?.question.field
  const row = [...form.querySelectorAll<HTMLElement>('[data-field]')].find((one) => one.dataset.field === field)
  row?.querySelector('input')?.focus()
}
