import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { sources, stages } from '../../schema.ts'
import { Field } from '../../ui/field.tsx'
import { useKeptDraft } from './kept-draft.ts'
import {
  type DraftField,
  type DraftProblems,
  draftFields,
  type FieldNews,
  type LeadDraft,
  newsOf,
  problemsOf,
} from './lead-draft.ts'
import styles from './lead-form.module.css'
import { districts, sourceNames, stageNames } from './lead-words.ts'

interface LeadFormProps {
  /** Under which name the half-filled form is kept. */
  readonly name: string
  readonly initial: LeadDraft
  /** What is wrong from the start; the form opens at the first such field. */
  readonly refused?: DraftProblems
  /** What the lead shows now; it may have changed since the form was opened. Left out, there is nothing to compare with. */
  readonly now?: LeadDraft
  /** `from`: what the form showed when it was begun. */
  readonly onSave: (draft: LeadDraft, from: LeadDraft) => Promise<void>
  readonly onCancel: () => void
}

export function LeadForm({ name, initial, refused = noProblems, now, onSave, onCancel }: LeadFormProps): ReactNode {
  const form = useRef<HTMLFormElement>(null)
  const { draft, from, isKept, setDraft, startOver, drop } = useKeptDraft(name, initial)
  const news = now === undefined ? noNews : newsOf(from, draft, now)
  const [problems, setProblems] = useState(refused)
  const [failure, setFailure] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)

  useEffect(() => {
    const field = focusField(form.current, firstOf(refused))
    field?.scrollIntoView({ block: 'center' }) // With the reason below it, which on a phone would lie behind the tabs.
  }, [refused])

  async function save(): Promise<void> {
    setBusy(true)
    setFailure(null)
    try {
      await onSave(draft, from)
      drop()
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error))
      setBusy(false)
    }
  }

  function submit(event: FormEvent): void {
    event.preventDefault()
    const found = problemsOf(draft)
    setProblems(found)
    const first = firstOf(found)
    if (first !== undefined) focusField(form.current, first)
    else if (!busy) void save()
  }

  /** What every field of the form shares. */
  function control(field: DraftField) {
    return {
      name: field,
      value: draft[field],
      problem: problems[field],
      news: now === undefined ? undefined : newsText(field, news[field], now[field]),
      onChange: (value: string) => {
        setDraft((before) => ({ ...before, [field]: value }))
        // A message goes as soon as it is no longer true; new ones wait for the next attempt to save.
        if (problems[field] !== undefined) setProblems(({ [field]: _, ...others }) => others)
      },
    }
  }

  return (
    <form ref={form} className={`panel ${styles.form}`} onSubmit={submit} noValidate>
      <div className={styles.kept} role="status">
        {isKept && (
          <>
            <p>This form holds changes that you have not saved.</p>
            <button type="button" className="button" onClick={() => startOver(now ?? initial)}>
              Start over
            </button>
          </>
        )}
      </div>
      <Field label="Name" {...control('name')} autoComplete="off" required wide />
      <Field label="Phone" {...control('phone')} type="tel" autoComplete="off" />
      <Field label="Email" {...control('email')} type="email" autoComplete="off" />
      <Field label="Stage" {...control('stage')} kind="select">
        {stages.map((stage) => (
          <option key={stage} value={stage}>
            {stageNames[stage]}
          </option>
        ))}
      </Field>
      <Field label="Source" {...control('source')} kind="select">
        {sources.map((source) => (
          <option key={source} value={source}>
            {sourceNames[source]}
          </option>
        ))}
      </Field>
      <Field label="District" {...control('district')} suggestions={districts} />
      <Field label="Budget" hint="EGP" {...control('budget')} type="number" inputMode="numeric" min={0} step={50_000} />
      <Field label="Notes" {...control('notes')} kind="textarea" wide />
      <p role="alert" className="problem">
        {failure}
      </p>
      <div className={`actions ${styles.actions}`}>
        <button type="submit" className="button primary" aria-disabled={busy}>
          Save lead
        </button>
        <button
          type="button"
          className="button"
          onClick={() => {
            drop()
            onCancel()
          }}
        >
          Cancel
        </button>
        <p className={styles.hint}>Saved on this device at once, with or without a network.</p>
      </div>
    </form>
  )
}

const noProblems: DraftProblems = {}
const noNews: ReturnType<typeof newsOf> = {}

/** What somebody else has made of a field while the form was open, and what becomes of it; null: nothing happened. */
function newsText(field: DraftField, news: FieldNews | undefined, now: string): string | null {
  if (news === undefined) return null
  const changed = `Changed by somebody else while you were typing, to ${shownText(field, now)}.`
  if (news === 'left') return `${changed} It stays so, unless you change it here.`
  return field === 'notes'
    ? `${changed} If you save yours, both are kept until one of you decides.`
    : `${changed} If you save yours, the other one can be put back from the history.`
}

function shownText(field: DraftField, text: string): string {
  if (text === '') return 'nothing'
  const stage = field === 'stage' ? stages.find((one) => one === text) : undefined
  const source = field === 'source' ? sources.find((one) => one === text) : undefined
  return `“${stage !== undefined ? stageNames[stage] : source !== undefined ? sourceNames[source] : text}”`
}

function firstOf(problems: DraftProblems): DraftField | undefined {
  return draftFields.find((field) => problems[field] !== undefined)
}

function focusField(form: HTMLFormElement | null, field: DraftField | undefined): HTMLElement | null {
  const control = field === undefined ? null : (form?.querySelector<HTMLElement>(`[name="${field}"]`) ?? null)
  control?.focus()
  return control
}
