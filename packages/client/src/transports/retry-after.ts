/**
 * How long a `Retry-After` header asks to wait, in milliseconds; null when it says nothing that can be read. A date is compared with
 * the server's own clock where the reply names it, since the device's may be wrong by years.
 *
 * @example
 * retryAfterMs('120', null, 0) // 120_000
 * retryAfterMs('Fri, 20 Nov 2026 12:00:30 GMT', 'Fri, 20 Nov 2026 12:00:00 GMT', 0) // 30_000
 */
export function retryAfterMs(header: string | null, date: string | null, nowMs: number): number | null {
  if (header === null) return null
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * 1_000
  const untilMs = Date.parse(header)
  if (Number.isNaN(untilMs)) return null
  const serverNowMs = date === null ? Number.NaN : Date.parse(date)
  return Math.max(0, untilMs - (Number.isNaN(serverNowMs) ? nowMs : serverNowMs))
}
