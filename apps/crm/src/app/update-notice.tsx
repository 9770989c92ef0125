import { useRegisterSW } from 'virtual:pwa-register/react'
import { type ReactNode, useState } from 'react'
import styles from './update-notice.module.css'

/** A new version waits until the person agrees: a form may be half filled in. Typed drafts survive the reload. */
export function UpdateNotice(): ReactNode {
  const [later, setLater] = useState(false)
  const {
    needRefresh: [ready],
    updateServiceWorker,
  } = useRegisterSW()
  if (!ready || later) return null
  return (
    <div className={styles.notice} role="status">
      <span>New version ready</span>
      <button type="button" className="button primary" onClick={() => void updateServiceWorker(true)}>
        Reload
      </button>
      <button type="button" className="button quiet" onClick={() => setLater(true)}>
        Later
      </button>
    </div>
  )
}
