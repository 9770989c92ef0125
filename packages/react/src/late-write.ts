import type { Write } from '@holdfast/client'

/** In a box, because a `Write` is a promise of its value: a bare one would be awaited with it. */
interface Box<T> {
  readonly write: Write<T>
}

/** A write to a client that is still opening: made the moment it has opened. */
export function lateWrite<T>(started: Promise<Box<T>>): Write<T> {
  return {
    // biome-ignore lint/suspicious/noThenProperty: a Write is a PromiseLike.
    then: (onSaved, onFailed) => started.then(({ write }) => write).then(onSaved, onFailed),
    /** Asked for only where somebody looks: each that waits costs the engine. */
    get settled() {
      return started.then(({ write }) => write.settled)
    },
    undo: () => lateWrite(started.then(({ write }) => ({ write: write.undo() }))),
  }
}
