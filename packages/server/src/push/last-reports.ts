/**
 * What devices told last, as far as the store has it: a device that tells the same again within an hour causes no write, and no question
 * to the store. Of a device that is not known here the store decides (SS7).
 *
 * LR1  A device that has told another process something else is not known here any more.
 */
import type { DeviceId } from '@holdfast/core'
import type { Broker } from '../ports/broker.ts'
import { reportAgeMsMax, type SentReport } from '../ports/server-store.ts'

export interface LastReports {
  /** The report, when it is to be given to the store; null when the store has it. */
  due(report: SentReport): SentReport | null
  /** The store has it. */
  keep(report: SentReport): void
  close(): void
}

export interface LastReportsOptions {
  readonly broker: Broker
  /** Those who were heard last are remembered. */
  readonly devicesMax?: number
}

export function createLastReports({ broker, devicesMax = 20_000 }: LastReportsOptions): LastReports {
  // Of a device alone: its database, and so its id, is that of one user.
  const last = new Map<string, SentReport>()
  const unhear = broker.listen(({ place, scopes, device }) => {
    // Of a commit it tells of rows.
    if (place !== 0) return
    if (device !== null) last.delete(device)
    // After a break of the line (BR2).
    else if (scopes === 'any') last.clear()
  })
  return {
    due: (report) => {
      const known = last.get(report.device)
      const isKnown = saysAs(known, report) && report.atMs - known.atMs < reportAgeMsMax
      return isKnown ? null : report
    },
    keep: (report) => {
      const isNew = !saysAs(last.get(report.device), report)
      last.delete(report.device)
      last.set(report.device, report)
      for (const oldest of last.keys()) {
        if (last.size <= devicesMax) break
        last.delete(oldest)
      }
      if (isNew) tellOthers(broker, report.device)
    },
    close: unhear,
  }
}

function tellOthers(broker: Broker, device: DeviceId): void {
  broker.publish({ place: 0, scopes: [], device })
}

function saysAs(known: SentReport | undefined, { user, pending }: SentReport): known is SentReport {
  return known?.pending === pending && known.user === user
}
