/** The engine's end of the messages: one connection per tab, its own tab's over the worker's port, the others' over channels. */
import { unreachable } from '@holdfast/core'
import type { RunningEngine } from '../engine.ts'
import {
  type CallMessage,
  failureText,
  parseToEngine,
  type ToEngine,
  type ToTab,
  type WatchMessage,
} from './messages.ts'
import type { TokenDesk } from './token-desk.ts'

export interface Connection {
  receive(data: unknown): void
  /** The tab is gone, or the engine is about to be: nothing is answered any more. */
  end(): void
}

export function connect(engine: RunningEngine, desk: TokenDesk, post: (message: ToTab) => void): Connection {
  const watches = new Map<number, () => void>()
  const leave = desk.seat(post)
  let ended = false

  function tell(message: ToTab): void {
    if (!ended) post(message)
  }

  function call({ call, name, args }: CallMessage): void {
    engine.ask(name, args).then(
      (value) => tell({ kind: 'answer', call, value }),
      (error) => tell({ kind: 'failure', call, failure: failureText(error) }),
    )
  }

  function watch({ watch, name, args }: WatchMessage): void {
    // A tab that repeats its watches, because it did not know that they are known here, replaces them.
    watches.get(watch)?.()
    try {
      watches.set(
        watch,
        engine.watch(name, args, (value) => tell({ kind: 'update', watch, value })),
      )
    } catch (error) {
      tell({ kind: 'watchFailed', watch, failure: failureText(error) })
    }
  }

  function handle(message: ToEngine): void {
    switch (message.kind) {
      case 'call':
        call(message)
        return
      case 'watch':
        watch(message)
        return
      case 'unwatch':
        watches.get(message.watch)?.()
        watches.delete(message.watch)
        return
      case 'token':
        desk.given(message.ask, message.given)
        return
      case 'foreground':
        engine.foreground()
        return
      case 'tokenChanged':
        engine.tokenChanged()
        return
      case 'persisted':
        engine.setPersisted(message.persisted)
        return
      default:
        unreachable(message)
    }
  }

  return {
    receive(data) {
      const message = parseToEngine(data)
      if (message !== null && !ended) handle(message)
    },
    end() {
      ended = true
      leave()
      for (const stop of watches.values()) stop()
      watches.clear()
    },
  }
}
