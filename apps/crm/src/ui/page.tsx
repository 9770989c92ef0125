import { Link, type LinkProps } from '@tanstack/react-router'
import { type ReactNode, useEffect } from 'react'
import { Icon } from './icon.tsx'
import styles from './page.module.css'
import { useHeadingFocus } from './use-heading-focus.ts'

interface PageProps {
  readonly title: string
  /** Stands under the heading. */
  readonly below?: ReactNode
  readonly back: { readonly link: Pick<LinkProps, 'to' | 'params'>; readonly text: string }
  readonly narrow?: boolean
  readonly children: ReactNode
}

/** A page that scrolls as a whole: a way back, a heading, the rest. */
export function Page({ title, below, back, narrow = false, children }: PageProps): ReactNode {
  const heading = useHeadingFocus('anywhere')
  useEffect(() => {
    document.title = `${title} · Holdfast CRM`
    return () => {
      document.title = 'Holdfast CRM'
    }
  }, [title])
  return (
    <div className={styles.scroller}>
      <div className={styles.page} data-narrow={narrow}>
        <Link {...back.link} className={styles.back}>
          <Icon name="back" mirrored />
          {back.text}
        </Link>
        <div className={styles.head}>
          <h1 ref={heading} tabIndex={-1}>
            <bdi>{title}</bdi>
          </h1>
          {below}
        </div>
        {children}
      </div>
    </div>
  )
}
