/** Waiting for what must come about, with a limit. */
import type { Client, SyncStatus } from '@holdfast/client'
import type { Schema } from '@holdfast/core'

/** What a device is given to come to rest by itself [L-1]. */
export const restMsMax = 30_000

/** Resolves with the first answer of `check` that is not false. */
export async function until<T>(
  what: string,
  check: () => Promise<T | false> | T | false,
  msMax = restMsMax,
): Promise<T> {
  const startMs = performance.now()
  for (;;) {
    const answer = await check()
    if (answer !== false) return answer
    if (performance.now() - startMs > msMax) throw new Error(`Not within ${msMax} ms: ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Resolves with the first status, the present one included, that is meant. */
export function reached<S extends Schema>(
  db: Client<S>,
  isMeant: (status: SyncStatus) => boolean,
  msMax = restMsMax,
): Promise<SyncStatus> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      stop()
      reject(new Error(`The status is still ${JSON.stringify(db.sync.status)}.`))
    }, msMax)
    const look = (status: SyncStatus) => {
      if (!isMeant(status)) return
      clearTimeout(timer)
      stop()
      resolve(status)
    }
    const stop = db.sync.watch(look)
    look(db.sync.status)
  })
}

/** Resolves when nothing waits any more and everything that was sent is part of what the server sent back. Acts on nothing. */
export async function atRest<S extends Schema>(db: Client<S>, msMax = restMsMax): Promise<void> {
  await until(
    'the device is at rest',
    async () => {
      const { kind } = db.sync.status
      return kind === 'idle' && (await db.sync.waiting()).length === 0
    },
    msMax,
  ).catch((cause) => {
    throw new Error(`${cause.message} ${JSON.stringify(db.sync.status)}`, { cause })
  })
}
