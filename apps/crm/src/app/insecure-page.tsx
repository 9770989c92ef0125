import type { ReactNode } from 'react'
import styles from './plain-page.module.css'

/** Over plain http from another host the browser gives no storage that lasts and no service worker: nothing can work. */
export function InsecurePage(): ReactNode {
  return (
    <main className={styles.page}>
      <h1>This app needs HTTPS</h1>
      <p>
        It keeps your leads on this device, in storage that browsers offer to secure pages only. You opened it over
        plain HTTP from <bdi>{location.host}</bdi>, so the browser has switched that storage off.
      </p>
      <p>
        Put the server behind HTTPS and open its https address, or open it on the server's own machine as{' '}
        <bdi>http://localhost{location.port === '' ? '' : `:${location.port}`}</bdi>, which browsers count as secure.
      </p>
    </main>
  )
}
