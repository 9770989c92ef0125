/** The token of the session: asked for when it is needed, kept until it is refused. */
import { EngineError } from '@holdfast/core'
import type { Timers } from '../ports/ambient.ts'
import { createDeadline } from './deadline.ts'

export interface TokenKeeper {
  known(): string | null
  /**
   * The known token, or the app's answer: null when nobody is signed in. `fresh`: the known one was refused. Throws `TokenTrouble` when
   * the app cannot tell, or does not within 30 s.
   */
  get(fresh: boolean): Promise<string | null>
  forget(): void
  /** Ends a question that is under way. */
  abort(): void
}

/** The app's own function for tokens failed: like a network that is not there, for that is the usual cause. */
export class TokenTrouble extends Error {
  override readonly name = 'TokenTrouble'
}

const askMsMax = 30_000

export function createTokenKeeper(timers: Timers, askApp: (fresh: boolean) => Promise<string | null>): TokenKeeper {
  let token: string | null = null
  let abort = () => {}

  async function ask(fresh: boolean): Promise<string | null> {
    const ended = new Promise<never>((_, reject) => {
      abort = () => reject(new EngineError('UNREACHABLE', 'the app did not answer when it was asked for a token.'))
    })
    const deadline = createDeadline(timers, askMsMax, abort)
    try {
      return await Promise.race([askApp(fresh), ended])
    } catch (cause) {
      throw new TokenTrouble(cause instanceof EngineError ? cause.problem : 'the app could not get a token.', { cause })
    } finally {
      deadline.clear()
    }
  }

  return {
    known: () => token,
    async get(fresh) {
      if (token !== null && !fresh) return token
      token = null
      token = await ask(fresh)
      return token
    },
    forget() {
      token = null
    },
    abort: () => abort(),
  }
}
