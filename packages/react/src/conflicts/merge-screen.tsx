import type { ConflictItem } from '@holdfast/client'
import type { Json, RecordId } from '@holdfast/core'
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { useSyncConnection } from '../sync/sync-context.ts'
import { useOpenConflicts } from '../use-records.ts'
import type { RecordWords } from '../words/record-words.ts'
import { mergeTexts } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'
import { keptAnswers } from './kept-answers.ts'
import { MergeForm } from './merge-form.tsx'

export interface MergeScreenProps {
  readonly collection: string
  readonly record: RecordId
  readonly words?: RecordWords
  /** The decision is saved on this device. It is not undone; the history can write a side again. */
  readonly onSaved: () => void
  readonly onLater: () => void
}

type Items = readonly [ConflictItem, ...ConflictItem[]]

/** What is to be decided about one record, and the way to decide it. */
export function MergeScreen({ collection, record, words = noWords, onSaved, onLater }: MergeScreenProps): ReactNode {
  const speech = useSpeech(words)
  const { schema, user, door } = useSyncConnection()
  const open = useOpenConflicts()
  const items = useMemo(() => itemsOf(open ?? [], collection, record), [open, collection, record])
  const kept = useMemo(() => keptAnswers(user, collection, record), [user, collection, record])
  /** While a decision is being saved its conflicts are closed already; the form stays, in case that it fails. */
  const [saving, setSaving] = useState<Items | null>(null)
  const [hadItems, setHadItems] = useState(false)
  if (items !== null && !hadItems) setHadItems(true)

  useEffect(() => {
    // Settled, here or elsewhere: what was typed for it is not asked for any more.
    if (open !== null && items === null && saving === null) kept.write([])
  }, [open, items, saving, kept])

  async function settle(results: { readonly [conflict: string]: Json }): Promise<void> {
    setSaving(items)
    try {
      await (await door).conflicts.settle(results)
      onSaved()
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
  return (
    <MergeForm speech={speech} collection={definition} items={shown} kept={kept} onSettle={settle} onLater={onLater} />
  )
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
