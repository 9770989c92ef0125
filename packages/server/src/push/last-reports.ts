/**
 * What devices told this process last: a device that tells the same again within an hour causes no write, and no question to the store.
 * Of a device that is not known here the store decides (SS7).
 */
import { reportAgeMsMax, type SentReport } from '../ports/server-store.ts'

export interface LastReports {
  /** The report, when it is to be given to the store; null when the store has it. */
  due(report: SentReport): SentReport | null
  /** The store has it. */
  keep(report: SentReport): void
}

/** @param devicesMax those who were heard last are remembered */
export function createLastReports(devicesMax = 20_000): LastReports {
  const last = new Map<string, SentReport>()
  return {
    due: (report) => {
      const known = last.get(keyOf(report))
      const isKnown = known?.pending === report.pending && report.atMs - known.atMs < reportAgeMsMax
      return isKnown ? null : report
    },
    keep: (report) => {
      const key = keyOf(report)
      last.delete(key)
      last.set(key, report)
      for (const oldest of last.keys()) {
        if (last.size <= devicesMax) break
        last.delete(oldest)
      }
    },
  }
}

function keyOf({ user, device }: SentReport): string {
  return `${device} ${user}`
}
