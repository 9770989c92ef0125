/**
 * One stream of pokes as server-sent events. It carries no data.
 *
 * HP1  A comment every 20 s shows that the line lives; before it token and scopes are checked again, and a token that ended or was
 *      revoked ends the stream. One check that gets no answer ends nobody's stream; two in a row do, so that no revocation stays
 *      unnoticed for 60 s [I-27].
 * HP2  A reader that does not read gets one poke for many: nothing piles up.
 * HP3  Scopes that changed count as a poke: there is something to pull, or to forget.
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
      let missed = 0
      let listened: readonly Scope[] = []
      const send = (text: string): void => {
        if (isOpen) controller.enqueue(utf8.encode(text))
      }
      const listen = (scopes: readonly Scope[]): void => {
        leave()
        listened = scopes
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
        const scopes = await answerOf(listener.check, system)
        if (!isOpen) return
        missed = scopes === 'none' ? missed + 1 : 0
        if (scopes === 'ended' || missed >= missedMax) {
          close()
          return
        }
        send(heartbeat)
        if (scopes !== 'none' && !sameScopes(scopes, listened)) {
          listen(scopes)
          send(pokeEvent)
        }
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
/** With a check that takes its time, two misses are 50 s after the last good one. */
const checkMsMax = 5_000
const missedMax = 2
const heartbeat = ': alive\n\n'
/** Some parsers drop an event without a data line. */
const pokeEvent = 'event: poke\ndata: 1\n\n'
const utf8 = new TextEncoder()

/** The scopes; 'ended': there is no right to any; 'none': no answer, or none in time. */
async function answerOf(
  check: () => Promise<readonly Scope[]>,
  system: System,
): Promise<readonly Scope[] | 'ended' | 'none'> {
  let cancel: () => void = () => undefined
  const late = new Promise<'none'>((resolve) => {
    cancel = system.after(checkMsMax, () => resolve('none'))
  })
  const answer = check().catch((error: unknown) => (isAnEnd(error) ? 'ended' : 'none'))
  return Promise.race([answer, late]).finally(() => cancel())
}

function sameScopes(a: readonly Scope[], b: readonly Scope[]): boolean {
  return a.length === b.length && new Set([...a, ...b]).size === new Set(a).size
}

function isAnEnd(error: unknown): boolean {
  return error instanceof EngineError && (error.code === 'UNAUTHENTICATED' || error.code === 'ACCOUNT_FORBIDDEN')
}
