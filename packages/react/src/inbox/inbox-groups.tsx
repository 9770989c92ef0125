import type { Discarded, InboxFile, InboxGroup, InboxItem } from '@holdfast/client'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import type { ShownRecord } from '../connection.ts'
import type { Speech } from '../words/record-words.ts'
import { faultText, inboxTexts, reasonText, whatText } from '../words/sentences.tsx'
import { UndoBar } from '../words/undo-bar.tsx'
import { InboxCard, type NamedRecord } from './inbox-card.tsx'
import { type Retried, refusedAgain } from './retried.ts'

export interface InboxGroupsProps {
  readonly speech: Speech
  readonly groups: readonly InboxGroup[]
  readonly nameOf: (record: NamedRecord) => ReactNode
  /** Gives the card of a group its record as it is here now. */
  readonly WithRecord: (props: WithRecordProps) => ReactNode
  /** What has not been sent yet. */
  readonly pending: number
  /** Null for what the app has no form for. */
  readonly fixOf: (item: InboxItem) => ((item: InboxItem) => void) | null
  readonly onRetry: (group: InboxGroup) => Promise<void>
  readonly onBringBack: (group: InboxGroup) => Promise<void>
  readonly onSendNow: (group: InboxGroup) => Promise<void>
  readonly onDiscard: (group: InboxGroup) => Promise<Discarded>
  readonly onExport: () => Promise<InboxFile>
}

export interface WithRecordProps {
  readonly item: InboxItem
  readonly children: (shown: ShownRecord) => ReactNode
}

interface Gone {
  readonly name: ReactNode
  readonly group: InboxGroup
  readonly discarded: Discarded
}

/** What was refused, by cause, oldest first. */
export function InboxGroups(props: InboxGroupsProps): ReactNode {
  const { speech, groups, nameOf, WithRecord, pending, fixOf, onRetry, onBringBack, onSendNow, onDiscard, onExport } =
    props
  const root = useRef<HTMLDivElement>(null)
  const [gone, setGone] = useState<readonly Gone[]>([])
  const [said, setSaid] = useState('')
  /** What was sent again from here, for as long as this screen stands. */
  const [retried, setRetried] = useState<readonly Retried[]>([])
  const again = groups.filter((group) => retried.some((one) => refusedAgain(one, group)))
  const news = again
    .map((group) => `${whatText(speech, group)} was refused again. ${reasonText(speech, group)}`)
    .join(' ')
  useEffect(() => {
    // What was said of a try is over with its result.
    if (news !== '') setSaid(news)
  }, [news])
  const hadPending = useRef(false)
  useEffect(() => {
    const isOver = (text: string) => [inboxTexts.waits, inboxTexts.comesBack].some((end) => text.endsWith(end))
    if (hadPending.current && pending === 0) setSaid((before) => (isOver(before) ? '' : before))
    hadPending.current = pending > 0
  }, [pending])

  /** Nothing here blocks the rest: what fails says so, and the list stays. */
  async function attempt(act: () => Promise<string>): Promise<void> {
    try {
      setSaid(await act())
    } catch (error) {
      setSaid(faultText(error))
    }
  }

  function retry(group: InboxGroup, send: (group: InboxGroup) => Promise<void>): Promise<void> {
    return attempt(async () => {
      const known = groups.map(({ id }) => id)
      await send(group)
      setRetried((before) => [...before.filter((one) => !refusedAgain(one, group)), { group, known }])
      root.current?.focus()
      return `${whatText(speech, group)} ${inboxTexts.waits}`
    })
  }

  function bringRecordBack(group: InboxGroup): Promise<void> {
    return attempt(async () => {
      await onBringBack(group)
      return `The ${speech.one(group.collection)} ${inboxTexts.comesBack}`
    })
  }

  function discard(group: InboxGroup): Promise<void> {
    return attempt(async () => {
      const discarded = await onDiscard(group)
      setGone((before) => [...before, { group, name: nameOf(group), discarded }])
      return `${whatText(speech, group)} was discarded. It ${inboxTexts.kept}.`
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
              <WithRecord key={group.id} item={group}>
                {(shown) => (
                  <InboxCard
                    speech={speech}
                    group={group}
                    nameOf={nameOf}
                    isAgain={again.includes(group)}
                    shown={shown}
                    onFix={fixOf(group)}
                    onRetry={() => void retry(group, onRetry)}
                    onBringBack={() => void bringRecordBack(group)}
                    onSendNow={() => void retry(group, onSendNow)}
                    onDiscard={() => void discard(group)}
                  />
                )}
              </WithRecord>
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
