import { type FormEvent, type ReactNode, useState } from 'react'
import { useWrite } from '../../hooks.ts'
import { callOutcomes } from '../../schema.ts'
import { useMe } from '../../session/session.ts'
import { Field } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { type CallOutcome, outcomeNames } from '../leads/lead-words.ts'
import styles from './call-form.module.css'
import { emptyCall, useKeptCall } from './kept-call.ts'

const secondsMax = 86_400

export function CallForm({ lead }: { readonly lead: string }): ReactNode {
  const write = useWrite()
  const me = useMe().user
  const [call, setCall] = useKeptCall(lead)
  const { minutes, seconds, note } = call
  const outcome: CallOutcome = callOutcomes.find((known) => known === call.outcome) ?? 'answered'
  const [problem, setProblem] = useState<string | undefined>()

  async function log(event: FormEvent): Promise<void> {
    event.preventDefault()
    const length = Number(minutes) * 60 + Number(seconds)
    if (!Number.isSafeInteger(length) || length < 0 || length > secondsMax) {
      setProblem('Must be whole minutes and seconds, at most a day.')
      return
    }
    setProblem(undefined)
    await write((db) =>
      db.calls.create({ lead, owner: me, outcome, seconds: length, note: note.trim(), at: Date.now() }),
    )
    setCall(emptyCall)
  }

  return (
    <form className={styles.form} aria-label="Log a call" onSubmit={(event) => void log(event)} noValidate>
      <Field
        label="Outcome"
        name="outcome"
        kind="select"
        value={outcome}
        onChange={(value) => setCall({ ...call, outcome: value })}
      >
        {callOutcomes.map((known) => (
          <option key={known} value={known}>
            {outcomeNames[known]}
          </option>
        ))}
      </Field>
      <div className={styles.length}>
        <Field
          label="Minutes"
          name="minutes"
          type="number"
          inputMode="numeric"
          min={0}
          value={minutes}
          onChange={(value) => setCall({ ...call, minutes: value })}
          problem={problem}
        />
        <Field
          label="Seconds"
          name="seconds"
          type="number"
          inputMode="numeric"
          min={0}
          value={seconds}
          onChange={(value) => setCall({ ...call, seconds: value })}
        />
      </div>
      <Field
        label="Call note"
        name="note"
        value={note}
        onChange={(value) => setCall({ ...call, note: value })}
        autoComplete="off"
        wide
      />
      <button type="submit" className="button primary">
        <Icon name="phone" />
        Log call
      </button>
    </form>
  )
}
