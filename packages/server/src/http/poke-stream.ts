/**
 * One stream of pokes as server-sent events. It carries no data.
 *
 * HP1  A comment every 20 s shows that the line lives; with it token and scopes are checked again, and a token that ended ends
 *      the stream.
 * HP2  A reader that does not read gets one poke for many: nothing piles up.
 */
import { EngineError } from '@holdfast/core'
import type { Scope } from '../ports/server-store.ts'
import type { System } from '../ports/system.ts'
import type { PokeHub } from '../pull/poke.ts'

export interface PokeStream {
  readonly body: ReadableStream<Uint8Array>
  close(): void
}

export function openPokeStream(
  ports: { readonly hub: PokeHub; readonly system: System },
  listener: {
    readonly device: string | null
    readonly scopes: readonly Scope[]
    /** Checks token and rights again; throws UNAUTHENTICATED or ACCOUNT_FORBIDDEN when they ended. */
    readonly check: () => Promise<readonly Scope[]>
    readonly onClose: () => void
  },
): PokeStream {
  const { hub, system } = ports
  let leave: () => void = () => undefined
  let cancelBeat: () => void = () => undefined
  let close: () => void = () => undefined
  let cancelled: () => void = () => undefined

  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      let isOpen = true
      const send = (text: string): void => {
        if (isOpen) controller.enqueue(utf8.encode(text))
      }
      const listen = (scopes: readonly Scope[]): void => {
        leave()
        leave = hub.listen({
          device: listener.device,
          scopes,
          poke: () => {
            if ((controller.desiredSize ?? 0) > 0) send(pokeEvent)
          },
        })
      }
      const end = (): void => {
        if (!isOpen) return
        isOpen = false
        leave()
        cancelBeat()
        listener.onClose()
      }
      const beat = async (): Promise<void> => {
        try {
          listen(await listener.check())
        } catch (error) {
          if (isAnEnd(error)) {
            close()
            return
          }
          // Keys that cannot be had now end nobody's stream; the next beat asks again.
        }
        if (!isOpen) {
          leave()
          return
        }
        send(heartbeat)
        cancelBeat = system.after(heartbeatMs, () => void beat())
      }
      close = () => {
        if (!isOpen) return
        end()
        controller.close()
      }
      listen(listener.scopes)
      send(heartbeat)
      cancelBeat = system.after(heartbeatMs, () => void beat())
      cancelled = end
    },
    cancel: () => cancelled(),
  })
  return { body, close: () => close() }
}

const heartbeatMs = 20_000
const heartbeat = ': alive\n\n'
/** Some parsers drop an event without a data line. */
const pokeEvent = 'event: poke\ndata: 1\n\n'
const utf8 = new TextEncoder()

function isAnEnd(error: unknown): boolean {
  return error instanceof EngineError && (error.code === 'UNAUTHENTICATED' || error.code === 'ACCOUNT_FORBIDDEN')
}
