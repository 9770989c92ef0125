/** All that the screens on conflicts, refusals and history say. What an app names is in `record-words.ts`. */
import type { ConflictItem, DecisionItem, InboxItem } from '@holdfast/client'
import { type Author, EngineError, errors, type Json, type OperationKind } from '@holdfast/core'
import type { ReactNode } from 'react'
import type { Row } from '../conflicts/merge-draft.ts'
import { countOf } from '../sync/sync-words.ts'
import { isMoment, momentText, type Speech } from './record-words.ts'

export const mergeTexts = {
  title: 'Decide what stands',
  intro:
    'Somebody else changed this too, without knowing of the other change. Both are kept until you decide. What differs is marked.',
  before: 'Before',
  yours: 'Yours',
  result: 'Result',
  empty: 'Empty',
  choose: 'Choose',
  allYours: 'Keep all mine',
  allTheirs: 'Keep all theirs',
  later: 'Decide later',
  save: 'Save decision',
  typed: 'Typed by you',
  keepTyped: 'Keep what I typed',
  both: 'Keep both',
  nothing: 'There is nothing to decide here.',
  settledElsewhere: 'Settled meanwhile, by somebody else or on another device.',
  loading: 'Looking for what is to be decided.',
  more: (count: number) => `And ${countOf(count, 'record')} more.`,
  noneOpen: 'No conflicts. When two people change the same thing and nobody should guess, it is listed here.',
  decide: 'Decide',
} as const

export const inboxTexts = {
  none: 'Nothing was refused. What the server does not take is kept here, with the reason, until you decide.',
  loading: 'Looking for what was refused.',
  fix: 'Fix',
  retry: 'Retry',
  bringBack: 'Bring it back',
  sendAgain: 'Send my change again',
  waits: 'waits to be sent again.',
  comesBack: 'comes back when this has reached the server. Then your change can be sent again.',
  support: 'Details for support',
  see: 'See what can be done',
  discard: 'Discard',
  keep: 'Keep it',
  export: 'Export',
  undo: 'Undo',
  discarded: 'Discarded',
  takeBack: 'Take back',
  /** What discarding means, wherever it is said. */
  kept: 'is kept for 14 days on this device, then deleted',
} as const

export const historyTexts = {
  none: 'Nothing here was changed by two people at once. When that happens, you read here what was kept and what was not.',
  loading: 'Looking for decisions.',
  both: 'Show both in full',
  all: (count: number) => `Show all ${count} decisions`,
  undo: 'Undo',
} as const

/** What went wrong, for a person: without the code, which is for logs. */
export function faultText(error: unknown): string {
  if (error instanceof EngineError) return `${error.problem} ${error.fix}`
  return error instanceof Error ? error.message : String(error)
}

/** "Yours", or whose it is. `here`: whether it was written on this device. */
export function ownerText(speech: Speech, { user }: Pick<Author, 'user'>, here: boolean): ReactNode {
  if (user !== speech.user) return <bdi>{speech.person(user)}</bdi>
  return here ? mergeTexts.yours : 'Yours, on another device'
}

/** Whose the server's side is. Where the other side is of another device, the reader's own was written on this one, as far as is known. */
export function remoteOwnerText(
  speech: Speech,
  { remoteBy, isOwn }: Pick<ConflictItem, 'remoteBy' | 'isOwn'>,
): ReactNode {
  return ownerText(speech, remoteBy, !isOwn)
}

export function Moment({ by }: { readonly by: Pick<Author, 'correctedAt'> }): ReactNode {
  const { correctedAt } = by
  if (!isMoment(correctedAt)) return momentText(correctedAt)
  return <time dateTime={new Date(correctedAt).toISOString()}>{momentText(correctedAt)}</time>
}

export function allOfText(speech: Speech, user: string): ReactNode {
  return (
    <>
      Keep all of <bdi>{speech.person(user)}</bdi>’s
    </>
  )
}

/** What has to be done before a decision can be saved. `all`: how many questions there are. */
export function missingText(speech: Speech, open: readonly Row[], all: number): string {
  const [first] = open
  if (first === undefined) return all === 1 ? 'Ready to save' : `All ${all} ready to save`
  if (all === 1) return first.changedBy === null ? chooseText(first) : 'Look once more, then choose.'
  const names = open.map(({ question: { field, sides } }) =>
    field === '' ? `the ${speech.one(sides[0].collection)}` : speech.field(sides[0].collection, field),
  )
  return `${all - open.length} of ${all} decided. Missing: ${lists.format(names)}.`
}

function chooseText({ question, answer }: Row): string {
  if (answer.kind === 'typed') return 'The result cannot be kept like this.'
  return question.field === '' ? 'Choose a side first.' : 'Choose a side first, or type the result.'
}

/** A side of a conflict about the record as a whole, as something that one can choose. */
export function wholeSideText(speech: Speech, collection: string, side: Json, isRemote: boolean): ReactNode {
  const one = speech.one(collection)
  if (side === null) return isRemote ? `Leave the ${one} deleted` : `Delete the ${one}`
  return `Keep the ${one} with these values`
}

/** What happened to the record as a whole, before somebody is asked. */
export function wholeStory(
  speech: Speech,
  collection: string,
  {
    local,
    remote,
    localBy,
    remoteBy,
    isOwn,
  }: {
    readonly local: Json
    readonly remote: Json
    readonly localBy: Author
    readonly remoteBy: Author
    readonly isOwn: boolean
  },
): ReactNode {
  const one = speech.one(collection)
  const writer = isOwn || localBy.user === speech.user ? 'You' : <bdi>{speech.person(localBy.user)}</bdi>
  const other = remoteBy.user === speech.user ? 'you' : <bdi>{speech.person(remoteBy.user)}</bdi>
  const what = local === null ? 'deleted' : 'changed'
  const otherWhat = remote === null ? 'deleted' : 'changed'
  return (
    <>
      {writer} {what} this {one} at <Moment by={localBy} />; meanwhile, at <Moment by={remoteBy} />, {other} {otherWhat}{' '}
      it
      {local !== null && remote !== null && '. It stands or falls as a whole'}.
    </>
  )
}

export function toDecideText(speech: Speech, collection: string, fields: readonly string[]): string {
  const names = fields.map((field) =>
    field === '' ? `this ${speech.one(collection)}` : speech.field(collection, field).toLowerCase(),
  )
  return `Two changes of ${lists.format(names)} do not fit together. Both are kept until somebody decides.`
}

const lists = new Intl.ListFormat('en', { type: 'conjunction' })

/** Who against whom, in the list of open conflicts. */
export function againstText(speech: Speech, { localBy, remoteBy, isOwn }: ConflictItem): ReactNode {
  return (
    <>
      {ownerText(speech, localBy, isOwn)} against{' '}
      {remoteBy.user === speech.user ? 'your own' : <bdi>{speech.person(remoteBy.user)}</bdi>}
    </>
  )
}

export function askedAgainText(speech: Speech, by: Author): ReactNode {
  return (
    <>
      {by.user === speech.user ? 'You' : <bdi>{speech.person(by.user)}</bdi>} changed this again at <Moment by={by} />.
      Please look once more.
    </>
  )
}

// The inbox.

const verbs: { readonly [kind in OperationKind]: string } = {
  create: 'New',
  update: 'Change',
  increment: 'Addition',
  add: 'Addition',
  remove: 'Removal',
  edit: 'Text',
  delete: 'Deletion',
  restore: 'Restored',
}

/** "New lead", "Deletion of a record". */
export function whatText(speech: Speech, { kind, collection }: Pick<InboxItem, 'kind' | 'collection'>): string {
  const one = speech.one(collection)
  return kind === 'create' ? `${verbs[kind]} ${one}` : `${verbs[kind]} of ${article(one)}`
}

function article(one: string): string {
  return `${/^[aeiou]/i.test(one) ? 'an' : 'a'} ${one}`
}

/** Why the server did not take it, for the person who wrote it. */
export function reasonText(speech: Speech, item: Pick<InboxItem, 'code' | 'collection' | 'field' | 'problem'>): string {
  const one = speech.one(item.collection)
  const field = item.field === null ? null : speech.field(item.collection, item.field)
  switch (item.code) {
    case 'INVALID_VALUE': {
      const rule = /but must be (.+?)\.?$/.exec(item.problem)?.[1]
      return rule === undefined || field === null ? item.problem : `${field} must be ${rule}.`
    }
    case 'FORBIDDEN':
      return field === null ? 'You may not make this change. Ask somebody who may.' : item.problem
    case 'NOT_FOUND':
      return `This ${one} is gone, or belongs to somebody else now.`
    case 'RECORD_DELETED':
      return `Somebody deleted this ${one} before your change arrived, so there was nothing to change.`
    case 'ALREADY_EXISTS':
      return `There is such a ${one} already.`
    case 'REFERENCE_MISSING':
      return `${field ?? 'A field'} names something that the server does not have.`
    case 'BLOCKED':
      return 'It hangs on another change that was refused.'
    case 'GAVE_UP':
      return 'The server failed on this change time after time, and took all others. Try again later.'
    case 'MAY_HAVE_ARRIVED':
      return `This was sent so long ago that the server does not remember it. Look at the ${one}: if it is missing, try again; else discard it.`
    case 'ALREADY_APPLIED':
      return 'The server has this change already. You can discard this copy.'
    case 'TOO_LARGE':
    case 'TRANSACTION_TOO_LARGE':
      return 'This is too large to be sent.'
    case 'UNKNOWN_COLLECTION':
    case 'UNKNOWN_FIELD':
      return 'The server does not know this kind of data: it, or this app, needs an update.'
    default:
      return `${item.problem} ${errors[item.code].fix}`
  }
}

/** On the screen of a record. */
export function notTakenText(speech: Speech, collection: string, count: number): string {
  const one = speech.one(collection)
  return count === 1
    ? `A change of this ${one} was not taken. It waits among what was refused.`
    : `${count} changes of this ${one} were not taken. They wait among what was refused.`
}

/** What becomes of a group that is discarded. */
export function lostText(speech: Speech, items: readonly InboxItem[], root: InboxItem): string {
  const one = speech.one(root.collection)
  const others = items.length - 1
  const first =
    root.kind === 'create'
      ? `The new ${one} exists on this device only. It ${inboxTexts.kept}.`
      : root.kind === 'delete'
        ? `The ${one} stays. Your deletion ${inboxTexts.kept}.`
        : `The server’s values stay. What you wrote ${inboxTexts.kept}.`
  return others === 0
    ? first
    : `${first} ${countOf(others, 'change')} that ${others === 1 ? 'hangs' : 'hang'} on it ${others === 1 ? 'goes' : 'go'} too.`
}

/** What was to be done to a record that somebody has deleted, and what can be done now. `isHere`: whether it is back. */
export function deletedText(speech: Speech, collection: string, isHere: boolean): string {
  const one = speech.one(collection)
  return isHere
    ? `The ${one} is here again. Your change can be sent once more, as of now.`
    : `You can bring the ${one} back, and then send your change again.`
}

export function hangText(others: number): string {
  return `And ${countOf(others, 'change')} that ${others === 1 ? 'hangs' : 'hang'} on it`
}

// The history.

/** Why one value was kept and the other was not. */
export function rulesText(
  { strategy, settledBy }: Pick<DecisionItem, 'strategy' | 'settledBy'>,
  speech: Speech,
): ReactNode {
  if (settledBy !== null) {
    return settledBy.user === speech.user ? (
      'you decided'
    ) : (
      <>
        <bdi>{speech.person(settledBy.user)}</bdi> decided
      </>
    )
  }
  return strategyTexts[strategy] ?? 'by the rule of this app'
}

const strategyTexts: { readonly [strategy: string]: string } = {
  lww: 'it was written later',
  serverTime: 'it arrived later',
  serverWins: 'the server had it already',
  clientWins: 'what comes in counts here',
  manual: 'somebody decided',
  deleteWins: 'a deletion counts more here',
  editWins: 'a change counts more here',
}

/** "Amal’s", "your". */
export function Whose({
  by,
  speech,
  atStart = false,
}: {
  readonly by: Author
  readonly speech: Speech
  readonly atStart?: boolean
}): ReactNode {
  if (by.user === speech.user) return atStart ? 'Your' : 'your'
  return (
    <>
      <bdi>{speech.person(by.user)}</bdi>’s
    </>
  )
}
