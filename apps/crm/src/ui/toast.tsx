/** One toast at a time, for ten seconds; it waits while a pointer or the focus is on it. Errors are never toasts. */
import { createContext, type ReactNode, use, useCallback, useEffect, useState } from 'react'
import { Icon } from './icon.tsx'
import styles from './toast.module.css'

export interface Toast {
  readonly text: ReactNode
  /** Left out where the history brings back what did not stand. */
  readonly undo?: () => void
}

const shownMs = 10_000

const ToastContext = createContext<(toast: Toast) => void>(() => {})

export function useToast(): (toast: Toast) => void {
  return use(ToastContext)
}

export function ToastProvider({ children }: { readonly children: ReactNode }): ReactNode {
  const [toast, setToast] = useState<Toast | null>(null)
  const hide = useCallback(() => setToast(null), [])
  return (
    <ToastContext value={setToast}>
      {children}
      {/* The region stands from the start: what is put into a new one is often not read out. */}
      <div role="status" className={styles.region}>
        {toast !== null && <ToastCard toast={toast} hide={hide} />}
      </div>
    </ToastContext>
  )
}

function ToastCard({ toast, hide }: { readonly toast: Toast; readonly hide: () => void }): ReactNode {
  const [held, setHeld] = useState(false)
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new toast has its own ten seconds.
  useEffect(() => {
    if (held) return
    const timer = setTimeout(hide, shownMs)
    return () => clearTimeout(timer)
  }, [held, hide, toast])
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only waits while the pointer is on it.
    <div
      className={styles.toast}
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span className={styles.text}>{toast.text}</span>
      {toast.undo !== undefined && (
        <button
          type="button"
          className={styles.undo}
          onClick={() => {
            toast.undo?.()
            hide()
          }}
        >
          Undo
        </button>
      )}
      <button type="button" className={styles.dismiss} aria-label="Dismiss" onClick={hide}>
        <Icon name="close" />
      </button>
    </div>
  )
}
