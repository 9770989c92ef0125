/** What people read about sync. A local save is never called sent, and "Synced" never stands while something waits. */
import type { Notice, SyncStatus } from '@holdfast/client'

export type SyncTone = 'opening' | 'synced' | 'saved' | 'syncing' | 'offline' | 'waiting' | 'attention'

export interface SyncWords {
  readonly tone: SyncTone
  /** For the chip: two or three words. */
  readonly short: string
  /** For the sheet: a sentence. */
  readonly sentence: string
}

export function syncWords(status: SyncStatus | null): SyncWords {
  if (status === null) return { tone: 'opening', short: 'Opening', sentence: 'Opening the data of this device.' }
  const trouble = troubleOf(status)
  const state =
    trouble === null ? stateWords(status) : { tone: 'attention' as const, short: 'Needs attention', sentence: trouble }
  const forPerson = [
    ...(status.refused === 0
      ? []
      : [{ short: `${numberText(status.refused)} refused`, sentence: refusedText(status) }]),
    ...(status.conflicts === 0
      ? []
      : [{ short: `${numberText(status.conflicts)} to decide`, sentence: decideText(status) }]),
  ]
  if (forPerson.length === 0) return state
  const { tone } = state
  const isCalm = tone === 'synced' || tone === 'saved' || tone === 'syncing'
  const waiting = status.pending === 0 ? [] : [`${numberText(status.pending)} waiting`]
  const own = tone === 'synced' ? [] : tone === 'saved' ? waiting : [state.short]
  const asked = forPerson.map(({ short }) => short)
  // What keeps anything from being sent comes first; where all flows, what only a person can do. Nothing hides the rest.
  const parts = isCalm ? [...asked, ...own] : [...own, ...(tone === 'attention' ? waiting : []), ...asked]
  return {
    tone: isCalm ? 'attention' : tone,
    short: parts.join(' · '),
    sentence: [...(tone === 'synced' ? [] : [state.sentence]), ...forPerson.map(({ sentence }) => sentence)].join(' '),
  }
}

function refusedText({ refused }: SyncStatus): string {
  return `The server refused ${countOf(refused, 'change')}. ${refused === 1 ? 'It is' : 'They are'} kept here with the reason.`
}

function decideText({ conflicts }: SyncStatus): string {
  return `${decisionsText(conflicts)}; both sides are kept until then.`
}

function stateWords(status: SyncStatus): SyncWords {
  const waiting = countOf(status.pending, 'change')
  switch (status.kind) {
    case 'offline':
      return {
        tone: 'offline',
        short: status.pending > 0 ? `Offline · ${numberText(status.pending)} waiting` : 'Offline',
        sentence:
          status.pending > 0
            ? `No connection. ${waiting} saved on this device, sent when the connection is back.`
            : 'No connection. You can go on working; changes are saved on this device.',
      }
    case 'syncing':
      if (status.progress !== null) {
        return {
          tone: 'syncing',
          short: `Syncing${percentOf(status.progress)}`,
          sentence: progressText(status.progress),
        }
      }
      return {
        tone: 'syncing',
        short: 'Syncing',
        sentence: status.pending > 0 ? `Sending ${waiting}.` : 'Looking for changes.',
      }
    case 'idle':
      if (status.pending > 0) {
        return {
          tone: 'saved',
          short: 'Saved on this device',
          sentence: `${waiting} saved on this device, about to be sent.`,
        }
      }
      if (status.completeness !== 'complete') {
        return { tone: 'waiting', short: 'Waiting', sentence: 'The data of this device has not been downloaded yet.' }
      }
      return { tone: 'synced', short: 'Synced', sentence: 'Everything on this device has reached the server.' }
    case 'waiting':
      return {
        tone: 'waiting',
        short: status.pending > 0 ? `${numberText(status.pending)} waiting` : 'Waiting',
        sentence: `The server has trouble; the next try comes by itself.${status.pending > 0 ? ` ${waiting} saved on this device.` : ''}`,
      }
    case 'paused':
      return {
        tone: 'waiting',
        short: status.pending > 0 ? `${numberText(status.pending)} waiting` : 'Paused',
        sentence: `Sync is paused.${status.pending > 0 ? ` ${waiting} saved on this device.` : ''}`,
      }
    case 'attention':
      return { tone: 'attention', short: 'Needs attention', sentence: status.problem }
  }
}

/** What a person has to do something about, worst first. */
function troubleOf(status: SyncStatus): string | null {
  if (status.kind === 'attention') return status.problem
  if (status.kind === 'paused' && status.why !== 'user') return pauseSentences[status.why]
  return status.notice === null ? null : noticeText(status.notice)
}

/** What happened to the data of this device, with what is lost. */
export function noticeText(notice: Notice): string {
  if (notice.kind === 'recovered') {
    const rescued =
      notice.rescued === 0
        ? 'Nothing was waiting to be sent.'
        : `${countOf(notice.rescued, 'change')} that the server had not taken ${notice.rescued === 1 ? 'was' : 'were'} restored.`
    const settings = notice.settings === 'lost' ? ' Settings that were kept on this device alone are lost.' : ''
    return `The database of this device was broken and has been made anew. ${rescued}${settings}`
  }
  const { reported } = notice
  const lost =
    reported === null
      ? 'Changes that had not been sent are lost; how many is not known.'
      : `When it last told the server, on ${day.format(new Date(reported.atMs))}, ${reported.pending === 0 ? 'nothing was unsent' : `${countOf(reported.pending, 'change')} had not reached it: ${reported.pending === 1 ? 'it is' : 'they are'} lost`}. What was written after that and had not been sent is lost as well.`
  return `This browser removed the data of this app. ${lost}`
}

const pauseSentences = {
  signedOut: 'The session has ended. Sign in again to sync; everything that waits is kept.',
  forbidden: 'This account may not sync here. Everything that waits is kept.',
  upgrade: 'This version of the app is too old to sync. Reload to update; everything that waits is kept.',
} as const

/** For the live region: said once when things have come to rest, so it tells the state and not the steps. */
export function announcementOf(status: SyncStatus | null): string | null {
  if (status === null || status.kind === 'syncing') return null
  const { tone, short, sentence } = syncWords(status)
  if (tone === 'synced') return 'All changes synced'
  if (tone === 'attention') return `Sync needs attention: ${sentence}`
  if (status.refused > 0 || status.conflicts > 0) return sentence
  if (status.pending > 0)
    return `${status.kind === 'offline' ? 'Offline. ' : ''}${countOf(status.pending, 'change')} waiting`
  return short
}

/** "2 need your decision". */
export function decisionsText(count: number): string {
  return `${numberText(count)} ${count === 1 ? 'needs' : 'need'} your decision`
}

export function progressText(progress: { readonly rows: number; readonly total: number | null }): string {
  const rows = numberText(progress.rows)
  return progress.total === null ? `Downloading ${rows}` : `Downloading ${rows} of ${numberText(progress.total)}`
}

function percentOf(progress: { readonly rows: number; readonly total: number | null }): string {
  if (progress.total === null || progress.total === 0) return ''
  return ` ${Math.floor((100 * progress.rows) / progress.total)}%`
}

export function countOf(count: number, noun: string): string {
  return `${numberText(count)} ${noun}${count === 1 ? '' : 's'}`
}

function numberText(count: number): string {
  return numbers.format(count)
}

const numbers = new Intl.NumberFormat('en')
const day = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' })
