import type { Client } from '@holdfast/client'
import type { Schema } from '@holdfast/core'

/** Runs once the client is open, unless ended before; answers the end of both. */
export function whenOpen<S extends Schema>(
  opened: Promise<Client<S>>,
  start: (client: Client<S>) => () => void,
): () => void {
  let ended = false
  let end = (): void => {}
  opened.then(
    (client) => {
      if (!ended) end = start(client)
    },
    () => {}, // Whoever opened the client holds this promise too, and shows why it failed.
  )
  return () => {
    ended = true
    end()
  }
}
