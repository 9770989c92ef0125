import type { ReactNode } from 'react'
import { createPortal } from 'react-dom'
import { CardFace } from './board-card.tsx'
import styles from './drag-layer.module.css'
import type { Drag } from './use-drag.ts'

/** The copy of the card under the pointer, above all columns, which would cut it off. */
export function DragLayer({ drag }: { readonly drag: Drag }): ReactNode {
  return createPortal(
    <div ref={drag.layer} className={styles.layer} aria-hidden="true" inert hidden={drag.dragged === null}>
      {drag.dragged !== null && <CardFace lead={drag.dragged} />}
    </div>,
    document.body,
  )
}
