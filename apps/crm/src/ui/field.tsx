import { type HTMLInputTypeAttribute, type ReactNode, useId } from 'react'
import styles from './field.module.css'

interface FieldProps {
  readonly label: string
  readonly name: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly kind?: 'input' | 'select' | 'textarea'
  readonly type?: HTMLInputTypeAttribute
  readonly inputMode?: 'numeric'
  readonly min?: number
  readonly step?: number
  readonly autoComplete?: string
  readonly required?: boolean
  /** Beside the label: a unit, or a mark. */
  readonly hint?: ReactNode
  /** What is wrong with the value, in a sentence. */
  readonly problem?: string | undefined
  /** What has happened to the value elsewhere; null for nothing yet. It is read out when it comes. */
  readonly news?: string | null | undefined
  readonly suggestions?: readonly string[]
  /** Takes the whole width of a form with two columns. */
  readonly wide?: boolean
  /** The options of a select. */
  readonly children?: ReactNode
}

/** A labelled control with its error message, tied together for screen readers. */
export function Field(props: FieldProps): ReactNode {
  const { label, hint, problem, news, wide = false } = props
  const id = useId()
  return (
    <div className={wide ? `field ${styles.wide}` : 'field'}>
      <span className={styles.label}>
        <label htmlFor={id}>{label}</label>
        {hint !== undefined && <span className={styles.hint}>{hint}</span>}
      </span>
      <Control {...props} id={id} />
      {news !== undefined && (
        <p id={`${id}-news`} className={styles.news} aria-live="polite">
          {news}
        </p>
      )}
      {problem !== undefined && (
        <p id={`${id}-problem`} className="problem">
          {problem}
        </p>
      )}
    </div>
  )
}

function descriptions(id: string, problem: string | undefined, news: string | null | undefined): string | undefined {
  const ids = [problem === undefined ? [] : `${id}-problem`, news ? `${id}-news` : []].flat()
  return ids.length === 0 ? undefined : ids.join(' ')
}

function Control(props: FieldProps & { readonly id: string }): ReactNode {
  const { id, kind = 'input', name, value, onChange, problem, news, children, suggestions, required = false } = props
  const shared = {
    id,
    name,
    value,
    className: 'input',
    'aria-invalid': problem !== undefined,
    'aria-required': required,
    'aria-describedby': descriptions(id, problem, news),
    onChange: (event: { readonly currentTarget: { readonly value: string } }) => onChange(event.currentTarget.value),
  }
  if (kind === 'select') return <select {...shared}>{children}</select>
  if (kind === 'textarea') return <textarea {...shared} dir="auto" rows={4} />
  const { type = 'text', inputMode, min, step, autoComplete } = props
  // A phone number and a mail address run from left to right in any language.
  const dir = type === 'tel' || type === 'email' ? 'ltr' : 'auto'
  return (
    <>
      <input
        {...shared}
        {...{ type, inputMode, min, step, autoComplete, dir }}
        list={suggestions === undefined ? undefined : `${id}-list`}
      />
      {suggestions !== undefined && (
        <datalist id={`${id}-list`}>
          {suggestions.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
      )}
    </>
  )
}
