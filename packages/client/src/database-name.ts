/** The name of a user's database on a server: what files, locks and channels are called. It shows neither of the two. */
import { EngineError } from '@holdfast/core'

export async function databaseName(url: string, user: string): Promise<string> {
  // With or without a slash at its end it is the same server (transports/http.ts).
  const server = url.replace(/\/+$/, '')
  // Lengths make the pair unambiguous.
  const bytes = new TextEncoder().encode(`${server.length}:${server}${user}`)
  if (crypto.subtle === undefined) {
    throw new EngineError('STORAGE_UNAVAILABLE', 'the page is not secure: it must come over HTTPS, or from localhost.')
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(hash.slice(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
