import type { ConflictItem } from '@holdfast/client'
import { type ReactNode, useMemo } from 'react'
import { RelativeTime } from '../sync/relative-time.tsx'
import type { RecordNameProps } from '../sync/sync-sheet.tsx'
import { useOpenConflicts } from '../use-records.ts'
import type { RecordWords, Speech } from '../words/record-words.ts'
import { againstText, mergeTexts } from '../words/sentences.tsx'
import { noWords, useSpeech } from '../words/use-speech.ts'

export interface ConflictListProps {
  readonly words?: RecordWords
  /** Shows a record by its name; left out, its collection is named. */
  readonly RecordName?: (props: RecordNameProps) => ReactNode
  /** A link to the merge screen of a record, in the router of the app; `label` names it for screen readers. */
  readonly MergeLink: (
    props: RecordNameProps & { readonly className: string; readonly children: ReactNode },
  ) => ReactNode
}

/** The records on which something is to be decided, the longest waiting first. */
export function ConflictList({ words = noWords, RecordName, MergeLink }: ConflictListProps): ReactNode {
  const speech = useSpeech(words)
  const open = useOpenConflicts()
  const records = useMemo(() => byRecord(open ?? []), [open])
  if (open === null) return <p className="hf-dim">{mergeTexts.loading}</p>
  if (records.length === 0) return <p>{mergeTexts.noneOpen}</p>
  return (
    <div className="hf-panel">
      <ul className="hf-cards" aria-label="Conflicts">
        {records.slice(0, shownMax).map((items) => (
          <ConflictCard
            key={`${items[0].collection} ${items[0].record}`}
            items={items}
            speech={speech}
            RecordName={RecordName}
            MergeLink={MergeLink}
          />
        ))}
      </ul>
      {records.length > shownMax && <p className="hf-dim">{mergeTexts.more(records.length - shownMax)}</p>}
    </div>
  )
}

/** Nobody reads more of them; the next ones come up as these are decided. */
const shownMax = 200

interface ConflictCardProps {
  readonly items: Items
  readonly speech: Speech
  readonly RecordName: ((props: RecordNameProps) => ReactNode) | undefined
  readonly MergeLink: ConflictListProps['MergeLink']
}

function ConflictCard({ items, speech, RecordName, MergeLink }: ConflictCardProps): ReactNode {
  const [first] = items
  const { collection, record } = first
  const fields = [
    ...new Set(
      items.map(({ field }) =>
        field === '' ? `the whole ${speech.one(collection)}` : speech.field(collection, field),
      ),
    ),
  ]
  return (
    <li className="hf-card hf-card-row">
      <div>
        <h2>
          {RecordName === undefined ? speech.one(collection) : <RecordName collection={collection} record={record} />}
        </h2>
        <p>{fields.join(', ')}</p>
        <p className="hf-dim">
          {againstText(speech, first)} · <RelativeTime atMs={first.openedAt} />
        </p>
      </div>
      <MergeLink collection={collection} record={record} className="hf-button hf-primary">
        {mergeTexts.decide}
        <span className="hf-visually-hidden">
          : {RecordName === undefined ? speech.one(collection) : fields.join(', ')}
        </span>
      </MergeLink>
    </li>
  )
}

type Items = readonly [ConflictItem, ...ConflictItem[]]

function byRecord(open: readonly ConflictItem[]): readonly Items[] {
  const oldestFirst = [...open].sort((a, b) => a.openedAt - b.openedAt)
  return [...Map.groupBy(oldestFirst, ({ collection, record }) => `${collection} ${record}`).values()].flatMap(
    ([first, ...others]): readonly Items[] => (first === undefined ? [] : [[first, ...others]]),
  )
}
