import type { RecordSync } from '@holdfast/core'
import type { ReactNode } from 'react'
import { crm } from '../../schema.ts'
import { Icon } from '../../ui/icon.tsx'
import styles from './sync-mark.module.css'

/** A row's dot: its shape differs too, and its word is there for screen readers and as a tooltip. */
export function SyncDot({ sync }: { readonly sync: RecordSync }): ReactNode {
  return (
    <span className={styles.dot} data-sync={sync} title={rowWords[sync]}>
      <span className="visually-hidden">{rowWords[sync]}</span>
    </span>
  )
}

/** A record's state in its header, in words. */
export function SyncWord({ sync }: { readonly sync: RecordSync }): ReactNode {
  return (
    <span className={styles.word} data-sync={sync}>
      <Icon name={sync === 'synced' ? 'check' : sync === 'pending' ? 'clock' : 'alert'} />
      {recordWords[sync]}
    </span>
  )
}

const fieldCount = Object.keys(crm.collections.leads.fields).length

/** Beside the label of a field whose new value has not reached the server. */
export function FieldMark({
  field,
  pending,
}: {
  readonly field: string
  readonly pending: readonly string[] | null
}): ReactNode {
  // Of a lead that the server has never seen all fields wait; the mark of the whole record says that.
  if (pending === null || pending.length === fieldCount || !pending.includes(field)) return null
  return (
    <span className={styles.field}>
      <span className={styles.dot} data-sync="pending" />
      Waiting
    </span>
  )
}

const rowWords: { readonly [sync in RecordSync]: string } = {
  synced: 'Synced',
  pending: 'Waiting',
  refused: 'Needs attention',
  conflict: 'Needs a decision',
}

const recordWords: { readonly [sync in RecordSync]: string } = {
  ...rowWords,
  pending: 'Saved on this device',
}
