/**
 * What happened to the database of this device that a person should know, kept until a person has seen it; and the device that was
 * here before, until the server has answered what it had reported.
 */
import { type DeviceId, isObject, type PreviousDevice, parseDeviceId } from '@holdfast/core'
import type { SqliteDriver } from '../ports/sqlite-driver.ts'
import { readMeta, writeMeta } from './meta.ts'

export type Notice =
  /**
   * The database was broken or gone, and was made anew; `rescued` changes that the server had not taken were restored. `settings`:
   * whether those that the app keeps on this device alone (`db.kv`) could be restored as well; 'lost': some or all could not.
   */
  | {
      readonly kind: 'recovered'
      readonly atMs: number
      readonly rescued: number
      readonly settings: 'kept' | 'lost'
    }
  /**
   * The browser removed the data of this app, with what had not been sent. `reported`: what the device had told the server last, and
   * when: so many changes are lost, and those that were written after it. Null: it never told, or the server has not answered yet.
   */
  | { readonly kind: 'evicted'; readonly atMs: number; readonly reported: PreviousDevice['reported'] }

export interface Notices {
  readonly notice: Notice | null
  readonly previousDevice: DeviceId | null
}

export function readNotices(driver: SqliteDriver): Notices {
  const notice = readMeta(driver, 'notice')
  const previous = readMeta(driver, 'previousDevice')
  return {
    notice: notice === null ? null : parseNotice(JSON.parse(notice)),
    previousDevice: previous === null || previous === '' ? null : parseDeviceId(previous),
  }
}

/** Inside a transaction. */
export function writeNotices(driver: SqliteDriver, { notice, previousDevice }: Notices): void {
  writeMeta(driver, 'notice', JSON.stringify(notice))
  writeMeta(driver, 'previousDevice', previousDevice ?? '')
}

/** What the server answered about the previous device, in the notice of it (which a person may have seen and dismissed). */
export function withReport({ notice }: Notices, { reported }: PreviousDevice): Notices {
  return { notice: notice?.kind === 'evicted' ? { ...notice, reported } : notice, previousDevice: null }
}

function parseNotice(stored: unknown): Notice | null {
  if (!isObject(stored)) return null
  const atMs = Number(stored.atMs)
  if (stored.kind === 'recovered') {
    const settings = stored.settings === 'lost' ? 'lost' : 'kept'
    return { kind: 'recovered', atMs, rescued: Number(stored.rescued), settings }
  }
  const { reported } = stored
  return {
    kind: 'evicted',
    atMs,
    reported: isObject(reported) ? { pending: Number(reported.pending), atMs: Number(reported.atMs) } : null,
  }
}
