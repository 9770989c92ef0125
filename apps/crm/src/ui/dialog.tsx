import { type ReactNode, type RefObject, useId } from 'react'
import styles from './dialog.module.css'

interface DialogProps {
  readonly dialog: RefObject<HTMLDialogElement | null>
  readonly title: string
  readonly onClose?: () => void
  readonly children: ReactNode
}

/** The browser's own modal: it holds the focus, closes with Escape and gives the focus back. */
export function Dialog({ dialog, title, onClose, children }: DialogProps): ReactNode {
  const id = useId()
  return (
    <dialog ref={dialog} className={styles.dialog} aria-labelledby={id} onClose={onClose}>
      <div className={styles.body}>
        <h2 id={id}>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}
