/** A store whose snapshots a test sees: what was made, which parts were asked for, and a hand on each before it is given. */
import type { StoreFactory } from '@holdfast/server'

export interface ShelfWatch {
  around(factory: StoreFactory): StoreFactory
  /** Snapshots that were made. */
  made(): number
  onMade(listener: () => void): void
  /** Every part that was asked for, in order, and whether it was there. */
  readonly asked: readonly { readonly part: number; readonly isThere: boolean }[]
  /** Called before a part is read; what it answers is waited for. */
  beforePart(hook: (part: number) => Promise<void> | undefined): void
  /** Nothing is left. */
  clear(): Promise<void>
}

export function watchShelf(): ShelfWatch {
  const asked: { readonly part: number; readonly isThere: boolean }[] = []
  let makings = 0
  let tellMade = () => {}
  let hook: (part: number) => Promise<void> | undefined = () => undefined
  let clear = async () => {}
  return {
    around: (factory) => (schema) => {
      const store = factory(schema)
      clear = () => store.snapshots().trim({ sinceMs: Number.MAX_SAFE_INTEGER, snapshotsMax: 0, bytesMax: 0 })
      return {
        ...store,
        snapshots: () => {
          const shelf = store.snapshots()
          return {
            ...shelf,
            make: async (plan, press) => {
              const isMade = await shelf.make(plan, press)
              if (isMade) {
                makings += 1
                tellMade()
              }
              return isMade
            },
            part: async (address, encoding) => {
              await hook(address.part)
              const part = await shelf.part(address, encoding)
              asked.push({ part: address.part, isThere: part !== null })
              return part
            },
          }
        },
      }
    },
    made: () => makings,
    onMade(listener) {
      tellMade = listener
    },
    asked,
    beforePart(next) {
      hook = next
    },
    clear: () => clear(),
  }
}
