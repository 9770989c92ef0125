import type { ConflictItem } from '@holdfast/client'
import type { Json, RecordId } from '@holdfast/core'
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { useSyncConnection } from '../sync/sync-context.ts'
import { useOpenConflicts } from '../use-records.ts'
import type { RecordWords } from '../words/record-words.ts'
import { mergeTexts } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'
import { MergeForm } from './merge-form.tsx'

export interface MergeScreenProps {
  readonly collection: string
  readonly record: RecordId
  readonly words?: RecordWords
  /** The decision is saved on this device; `undo` takes it back. */
  readonly onSaved: (undo: () => PromiseLike<void>) => void
  readonly onLater: () => void
}

type Items = readonly [ConflictItem, ...ConflictItem[]]

/** What is to be decided about one record, and the way to decide it. */
export function MergeScreen({ collection, record, words = noWords, onSaved, onLater }: MergeScreenProps): ReactNode {
  const speech = useSpeech(words)
  const { schema, door } = useSyncConnection()
  const open = useOpenConflicts()
  const items = useMemo(() => itemsOf(open ?? [], collection, record), [open, collection, record])
  /** While a decision is being saved its conflicts are closed already; the form stays, in case that it fails. */
  const [saving, setSaving] = useState<Items | null>(null)
  const [hadItems, setHadItems] = useState(false)
  if (items !== null && !hadItems) setHadItems(true)

  async function settle(results: { readonly [conflict: string]: Json }): Promise<void> {
    setSaving(items)
    try {
      const write = (await door).conflicts.settle(results)
      await write
      onSaved(() => write.undo())
    } catch (error) {
      setSaving(null)
      throw error
    }
  }

  const definition = schema.collections[collection]
  const shown = saving ?? items
  if (open === null) return <p className="hf-dim">{mergeTexts.loading}</p>
  if (definition === undefined || shown === null) {
    return <Nothing>{hadItems ? mergeTexts.settledElsewhere : mergeTexts.nothing}</Nothing>
  }
  return <MergeForm speech={speech} collection={definition} items={shown} onSettle={settle} onLater={onLater} />
}

function itemsOf(open: readonly ConflictItem[], collection: string, record: RecordId): Items | null {
  const [first, ...others] = open.filter((item) => item.collection === collection && item.record === record)
  return first === undefined ? null : [first, ...others]
}

function Nothing({ children }: { readonly children: ReactNode }): ReactNode {
  const text = useRef<HTMLParagraphElement>(null)
  useEffect(() => {
    // The form went with what it asked, and took the focus along.
    if (document.activeElement === document.body) text.current?.focus({ preventScroll: true })
  }, [])
  return (
    <p ref={text} tabIndex={-1}>
      {children}
    </p>
  )
}
