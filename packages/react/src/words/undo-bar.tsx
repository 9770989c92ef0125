import { type ReactNode, useEffect, useRef, useState } from 'react'

interface UndoBarProps {
  readonly children: ReactNode
  readonly onUndo: () => void
  /** The time to undo is over. */
  readonly onEnd: () => void
}

const shownMs = 10_000

/** Where something was taken away: says so for ten seconds, and brings it back. It waits while a pointer or the focus is on it. */
export function UndoBar({ children, onUndo, onEnd }: UndoBarProps): ReactNode {
  const button = useRef<HTMLButtonElement>(null)
  const [held, setHeld] = useState(false)
  const end = useRef(onEnd)
  end.current = onEnd
  useEffect(() => {
    // What was pressed is gone from the page, and the focus with it.
    if (document.activeElement === document.body) button.current?.focus()
  }, [])
  useEffect(() => {
    if (held) return
    const timer = setTimeout(() => end.current(), shownMs)
    return () => clearTimeout(timer)
  }, [held])
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it only waits while the pointer is on it.
    <div
      className="hf-undo"
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <p>{children}</p>
      <button ref={button} type="button" className="hf-button" onClick={onUndo}>
        Undo
      </button>
    </div>
  )
}
