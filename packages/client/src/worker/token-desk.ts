/**
 * Where the engine's worker gets a token: from a tab, since the app's function lives there. The tab of the same worker is asked first;
 * one that does not answer in time is passed over for the next.
 */
import { EngineError } from '@holdfast/core'
import type { Timers } from '../ports/ambient.ts'
import type { GivenToken, ToTab } from './messages.ts'

export interface TokenDesk {
  ask(fresh: boolean): Promise<string | null>
  /** A tab that can be asked; answers how it leaves. */
  seat(post: (message: ToTab) => void): () => void
  given(ask: number, given: GivenToken): void
}

const answerMsMax = 5_000

export function createTokenDesk(timers: Timers): TokenDesk {
  const tabs = new Set<(message: ToTab) => void>()
  const asked = new Map<number, (given: GivenToken | null) => void>()
  let count = 0

  function askTab(post: (message: ToTab) => void, fresh: boolean): Promise<GivenToken | null> {
    count += 1
    const ask = count
    return new Promise((resolve) => {
      const cancel = timers.after(answerMsMax, () => end(null))
      const end = (given: GivenToken | null) => {
        cancel()
        asked.delete(ask)
        resolve(given)
      }
      asked.set(ask, end)
      post({ kind: 'askToken', ask, fresh })
    })
  }

  return {
    async ask(fresh) {
      let problem = 'no tab answered when it was asked for a token.'
      for (const post of [...tabs]) {
        const given = await askTab(post, fresh)
        if (given?.kind === 'token') return given.token
        if (given?.kind === 'failed') problem = given.problem
        // The next time the others are asked first: one that sleeps costs five seconds.
        if (tabs.delete(post)) tabs.add(post)
      }
      throw new EngineError('UNREACHABLE', problem)
    },
    seat(post) {
      tabs.add(post)
      return () => tabs.delete(post)
    },
    given: (ask, given) => asked.get(ask)?.(given),
  }
}
