/** Why a field shows what it shows, in one plain sentence. Pure. */
import type { Author, Json, RecordSync, UserId } from '@holdfast/core'
import type { ConflictItem, DecisionItem, Explanation, InboxItem } from './store.ts'

export interface Known {
  /** Whom it is explained to. */
  readonly user: UserId
  /** The shown row; null: the record is not on this device. */
  readonly shown: { readonly value: Json; readonly sync: RecordSync; readonly isPending: boolean } | null
  /** About the field or its whole record, newest first. */
  readonly decisions: readonly DecisionItem[]
  readonly conflict: ConflictItem | null
  readonly refused: readonly InboxItem[]
}

export function explanation(known: Known): Explanation {
  const { shown, decisions, conflict, refused } = known
  const value = shown?.value ?? null
  return { value, sync: shown?.sync ?? null, decisions, conflict, refused, because: because(known) }
}

/** What is newest to the person comes first: an unsent edit, then a question, a refusal, a decision. */
function because({ user, shown, decisions, conflict, refused }: Known): string {
  const [refusal] = refused
  const [decision] = decisions
  if (shown?.isPending) return 'You changed it on this device, and the server has not confirmed that yet.'
  if (conflict !== null) return askedSentence(conflict, user)
  if (refusal !== undefined) return `Your change was refused: ${refusal.problem} It waits in the inbox.`
  if (decision !== undefined) return decidedSentence(decision, user)
  if (shown === null) return 'The record is not on this device: it was deleted, or it is not yours to see.'
  return 'It is the value that the server has. Nobody’s change of it was dropped.'
}

function askedSentence({ localBy, remoteBy, isOwn }: ConflictItem, user: UserId): string {
  const until = isOwn
    ? 'Until then this device shows what was written here.'
    : 'Until then the server’s value is shown.'
  return `${crossed(localBy, remoteBy, user)} A person has to settle it. ${until}`
}

function decidedSentence(decision: DecisionItem, user: UserId): string {
  const { localBy, remoteBy, settledBy } = decision
  const stands = standing(decision, user)
  const reason = settledBy === null ? `${reasonOf(decision)}, so` : `${capital(nameOf(settledBy, user))} settled it:`
  return `${crossed(localBy, remoteBy, user)} ${reason} ${stands}.`
}

function crossed(a: Author, b: Author, reader: UserId): string {
  const first = capital(nameOf(a, reader))
  if (a.user === b.user) return `${first} changed it on two devices that did not know of each other.`
  return `${first} and ${nameOf(b, reader)} changed it without knowing of each other.`
}

function standing({ winner, localBy, remoteBy }: DecisionItem, reader: UserId): string {
  if (winner === 'merged') return 'a third value stands'
  const by = winner === 'local' ? localBy : remoteBy
  const device = localBy.user === remoteBy.user ? ' on one of them' : ''
  return `what ${nameOf(by, reader)} wrote${device} stands`
}

function reasonOf({ strategy }: DecisionItem): string {
  switch (strategy) {
    case 'lww':
      return 'The later change counts'
    case 'serverTime':
      return 'The change that reached the server later counts'
    case 'serverWins':
      return 'What the server has counts'
    case 'clientWins':
      return 'What comes in counts'
    case 'deleteWins':
      return 'A deletion counts more than a change'
    case 'editWins':
      return 'A change counts more than a deletion'
    case 'custom':
      return 'The app has a rule of its own for it'
    default: // A strategy of a later version of the server.
      return `The rule is "${strategy}"`
  }
}

/** On whatever device: it is the person whom the sentence is told. */
function nameOf({ user }: Author, reader: UserId): string {
  return user === reader ? 'you' : user
}

function capital(text: string): string {
  return text === 'you' ? 'You' : text
}
