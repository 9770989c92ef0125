import type { Discarded, InboxFile, InboxGroup, InboxItem } from '@holdfast/client'
import { type ReactNode, useRef, useState } from 'react'
import type { Speech } from '../words/record-words.ts'
import { faultText, inboxTexts, whatText } from '../words/sentences.tsx'
import { UndoBar } from '../words/undo-bar.tsx'
import { InboxCard } from './inbox-card.tsx'

export interface InboxGroupsProps {
  readonly speech: Speech
  readonly groups: readonly InboxGroup[]
  readonly nameOf: (item: InboxItem) => ReactNode
  /** Null for what the app has no form for. */
  readonly fixOf: (item: InboxItem) => ((item: InboxItem) => void) | null
  readonly onRetry: (group: InboxGroup) => Promise<void>
  readonly onDiscard: (group: InboxGroup) => Promise<Discarded>
  readonly onExport: () => Promise<InboxFile>
}

interface Gone {
  readonly name: ReactNode
  readonly group: InboxGroup
  readonly discarded: Discarded
}

/** What was refused, by cause, oldest first. */
export function InboxGroups(props: InboxGroupsProps): ReactNode {
  const { speech, groups, nameOf, fixOf, onRetry, onDiscard, onExport } = props
  const root = useRef<HTMLDivElement>(null)
  const [gone, setGone] = useState<readonly Gone[]>([])
  const [said, setSaid] = useState('')

  /** Nothing here blocks the rest: what fails says so, and the list stays. */
  async function attempt(act: () => Promise<string>): Promise<void> {
    try {
      setSaid(await act())
    } catch (error) {
      setSaid(faultText(error))
    }
  }

  function retry(group: InboxGroup): Promise<void> {
    return attempt(async () => {
      await onRetry(group)
      root.current?.focus()
      return `${whatText(speech, group)} waits to be sent again.`
    })
  }

  function discard(group: InboxGroup): Promise<void> {
    return attempt(async () => {
      const discarded = await onDiscard(group)
      setGone((before) => [...before, { group, name: nameOf(group), discarded }])
      return `${whatText(speech, group)} was discarded. You can undo this.`
    })
  }

  const forget = (id: string) => setGone((before) => before.filter(({ group }) => group.id !== id))

  function bringBack({ group, discarded }: Gone): Promise<void> {
    return attempt(async () => {
      await discarded.undo()
      forget(group.id)
      root.current?.focus()
      return `${whatText(speech, group)} is back.`
    })
  }

  return (
    <div ref={root} className="hf-panel hf-inbox" tabIndex={-1}>
      <p role="status" className="hf-dim">
        {said}
      </p>
      {gone.map((one) => (
        <UndoBar key={one.group.id} onUndo={() => void bringBack(one)} onEnd={() => forget(one.group.id)}>
          {whatText(speech, one.group)}
          {one.name !== null && <>: {one.name}</>} – discarded
        </UndoBar>
      ))}
      {groups.length === 0 ? (
        <p>{inboxTexts.none}</p>
      ) : (
        <>
          <ul className="hf-cards" aria-label="Refused">
            {groups.map((group) => (
              <InboxCard
                key={group.id}
                speech={speech}
                group={group}
                name={nameOf(group)}
                onFix={fixOf(group)}
                onRetry={() => void retry(group)}
                onDiscard={() => void discard(group)}
              />
            ))}
          </ul>
          <div className="hf-actions">
            <button
              type="button"
              className="hf-button"
              onClick={() =>
                void attempt(async () => {
                  const { name, text } = await onExport()
                  download(name, text)
                  return `Saved as ${name}.`
                })
              }
            >
              {inboxTexts.export}
            </button>
          </div>
        </>
      )}
    </div>
  )
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  // The browser reads it after the click has ended.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
