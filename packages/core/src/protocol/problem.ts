/** The body of a reply that is not 200: `{ error: { code, problem } }`, and what a device needs that has to start over. */
import { EngineError, type ErrorCode, isErrorCode } from '../errors.ts'
import { type Generation, parseGeneration } from '../ids.ts'
import { isObject } from '../json.ts'
import { cursorLengthMax } from './limits.ts'
import { parseText, parseWhole } from './parser.ts'

/** Why a device's cursor leads nowhere, and how it goes on. */
export type Restart =
  /** 409: the server's database was set back. What was committed after `fork` may be gone. */
  | {
      readonly kind: 'generation'
      readonly generation: Generation
      /** The last commit that both lives have; 0: none that is known. */
      readonly fork: number
      /** The same place in the new life; null: what the device has may be of the lost one, and is pulled anew. */
      readonly cursor: string | null
      /** How long the server remembers what was sent, in milliseconds. */
      readonly retentionMs: number
      /** The server's clock, in milliseconds since 1970: how long ago something was sent, nobody else's says. */
      readonly serverTimeMs: number
    }
  /** 410: the server has forgotten what was deleted since. Everything is pulled anew. */
  | {
      readonly kind: 'tooOld'
      /** How long the server remembers what was sent, in milliseconds. */
      readonly retentionMs: number
      /** The server's clock, in milliseconds since 1970. */
      readonly serverTimeMs: number
    }

/** An error that tells its device how to go on. */
export class RestartError extends EngineError {
  readonly restart: Restart

  constructor(restart: Restart, problem: string, options: ErrorOptions = {}) {
    super(restart.kind === 'generation' ? 'GENERATION_CHANGED' : 'CURSOR_TOO_OLD', problem, options)
    this.restart = restart
  }
}

export interface Problem {
  readonly code: ErrorCode
  readonly problem: string
  /** Null: the device need not start over. */
  readonly restart: Restart | null
}

export function problemText(error: EngineError): string {
  const { code, problem } = error
  return JSON.stringify({ error: { code, problem, ...(error instanceof RestartError ? members(error.restart) : {}) } })
}

function members(restart: Restart): object {
  const { retentionMs, serverTimeMs: serverTime } = restart
  if (restart.kind === 'tooOld') return { retentionMs, serverTime }
  const { generation, fork, cursor } = restart
  return { generation, fork, retentionMs, serverTime, ...(cursor === null ? {} : { cursor }) }
}

/** Null when the body is not one of ours (a proxy, a captive portal). */
export function parseProblem(input: unknown): Problem | null {
  const error = isObject(input) ? input.error : undefined
  if (!isObject(error)) return null
  const { code, problem } = error
  if (!isErrorCode(code) || typeof problem !== 'string') return null
  return { code, problem: problem.slice(0, 2_000), restart: parseRestart(code, error) }
}

function parseRestart(code: ErrorCode, o: { readonly [member: string]: unknown }): Restart | null {
  try {
    switch (code) {
      case 'GENERATION_CHANGED':
        return {
          kind: 'generation',
          generation: parseGeneration(o.generation),
          fork: parseWhole(o.fork, 'error.fork'),
          cursor: o.cursor === undefined ? null : parseText(o.cursor, 'error.cursor', cursorLengthMax),
          ...parseTimes(o),
        }
      case 'CURSOR_TOO_OLD':
        return { kind: 'tooOld', ...parseTimes(o) }
      default:
        return null
    }
  } catch {
    return null // Trouble that passes or does not: nothing can be made of it.
  }
}

function parseTimes(o: { readonly [member: string]: unknown }): Pick<Restart, 'retentionMs' | 'serverTimeMs'> {
  return {
    retentionMs: parseWhole(o.retentionMs, 'error.retentionMs'),
    serverTimeMs: parseWhole(o.serverTime, 'error.serverTime'),
  }
}
