import { type ReactNode, useId } from 'react'
import styles from './select-field.module.css'

interface SelectFieldProps {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly children: ReactNode
}

/** A native select whose label stands inside it, for filters and cards, where space is short. */
export function SelectField({ label, value, onChange, children }: SelectFieldProps): ReactNode {
  const id = useId()
  return (
    <div className={styles.field}>
      <label className={styles.label} htmlFor={id}>
        {label}
      </label>
      <select id={id} className={styles.select} value={value} onChange={(event) => onChange(event.target.value)}>
        {children}
      </select>
    </div>
  )
}
