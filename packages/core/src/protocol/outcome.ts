/** What became of an operation on the server. The same operation gets the same outcome, byte for byte, however often it is sent. */
import { type ErrorCode, isErrorCode } from '../errors.ts'
import { type OperationId, parseOperationId } from '../ids.ts'
import { malformed, parseArray, parseObject, parseText, parseWhole } from './parser.ts'

export type Outcome =
  /** The effect is what the writer meant. `version`: the record's version with the effect; `place`: the commit that holds it. */
  | { readonly kind: 'applied'; readonly id: OperationId; readonly version: number; readonly place: number }
  /** A concurrent edit was met. `dropped`: the fields of this operation whose value did not stand. */
  | {
      readonly kind: 'merged'
      readonly id: OperationId
      readonly version: number
      readonly place: number
      readonly dropped: readonly string[]
    }
  /** A person has to settle `fields` ('' for the record as a whole): both values are kept. A success for its transaction. */
  | {
      readonly kind: 'conflict'
      readonly id: OperationId
      readonly version: number
      readonly place: number
      readonly fields: readonly string[]
    }
  /** Refused, without any effect. `problem` names no value of any record. */
  | {
      readonly kind: 'rejected'
      readonly id: OperationId
      readonly code: ErrorCode
      readonly field: string | null
      readonly problem: string
    }
  /** Not looked at, because the operation `by`, on which it depends, was refused. Never stored. */
  | { readonly kind: 'blocked'; readonly id: OperationId; readonly by: OperationId }

export function parseOutcome(input: unknown): Outcome {
  const o = parseObject(input, 'outcome')
  const id = parseOperationId(o.id)
  switch (o.kind) {
    case 'applied':
      return {
        kind: 'applied',
        id,
        version: parseWhole(o.version, 'outcome.version'),
        place: parseWhole(o.place, 'outcome.place'),
      }
    case 'merged':
      return {
        kind: 'merged',
        id,
        version: parseWhole(o.version, 'outcome.version'),
        place: parseWhole(o.place, 'outcome.place'),
        dropped: parseArray(o.dropped, 'outcome.dropped').map((name) => parseText(name, 'outcome.dropped', 63)),
      }
    case 'conflict':
      return {
        kind: 'conflict',
        id,
        version: parseWhole(o.version, 'outcome.version'),
        place: parseWhole(o.place, 'outcome.place'),
        fields: parseArray(o.fields, 'outcome.fields').map((name) => parseText(name, 'outcome.fields', 63)),
      }
    case 'rejected': {
      const code = o.code
      return {
        kind: 'rejected',
        id,
        // A later server may know more reasons than this app.
        code: isErrorCode(code) ? code : 'REFUSED',
        field: o.field === null ? null : parseText(o.field, 'outcome.field', 63),
        problem: parseText(o.problem, 'outcome.problem', 2_000),
      }
    }
    case 'blocked':
      return { kind: 'blocked', id, by: parseOperationId(o.by) }
    default:
      return malformed('outcome.kind', 'one of applied, merged, conflict, rejected, blocked')
  }
}
