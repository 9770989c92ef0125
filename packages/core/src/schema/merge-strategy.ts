/**
 * How edits of several devices to one record become one. A *clash* is an edit of a field that its writer did not see as it is:
 * another device wrote it since. What happens then is the clash strategy; everything else merges by itself.
 */
import type { Json, JsonObject } from '../json.ts'

/** What a custom merge is given: the value that the writer saw, the writer's own, and the server's current one. */
export interface Clash<Value = Json> {
  readonly base: Value
  readonly local: Value
  readonly remote: Value
}

/**
 * Answers the value that stands. Pure: it runs on the server, must not wait, and must answer the same for the same clash. One that
 * throws, or answers what the field may not hold, leaves the write waiting on its device until it is mended.
 */
export type MergeFunction<Value = Json> = (clash: Clash<Value>) => Value

/**
 *   'lww'         the later write stands, by hybrid logical clock
 *   'serverTime'  the write that reaches the server later stands, and is dated by the server's clock
 *   'serverWins'  what the server has stands
 *   'clientWins'  what comes in stands
 *   'manual'      both are kept until a person settles it
 */
export type ClashRule = 'lww' | 'serverTime' | 'serverWins' | 'clientWins' | 'manual'

export type ClashStrategy<Value = Json> = ClashRule | MergeFunction<Value>

/** The record stands or falls as a whole: values of two devices are never mixed. */
export interface WholeRecord {
  readonly kind: 'record'
  readonly clash: ClashStrategy<JsonObject>
}

/** Each field by itself. */
export interface FieldByField {
  readonly kind: 'fields'
  /** Of the fields that name no strategy of their own. */
  readonly clash: ClashStrategy
}

/** Version vectors: an edit whose writer had seen every other write takes effect; a concurrent one merges by fields, or asks. */
export interface Causal {
  readonly kind: 'causal'
  readonly concurrent: 'fields' | 'ask'
}

export type MergeStrategy = FieldByField | WholeRecord | Causal

/** What a schema may write as `merge` of a collection. */
export type MergeOption = 'fields' | 'causal' | ClashStrategy | MergeStrategy

/**
 * What an edit of a deleted record, or a deletion of a record that was edited meanwhile, comes to:
 *   'deleteWins'  the record is deleted; a late edit is refused and waits in its writer's inbox
 *   'editWins'    the record lives, with the edit
 *   'ask'         both are kept until a person settles it
 */
export type DeleteStrategy = 'deleteWins' | 'editWins' | 'ask'

export function wholeRecord(clash: ClashStrategy<JsonObject>): WholeRecord {
  return { kind: 'record', clash }
}

export function causal(concurrent: Causal['concurrent']): Causal {
  return { kind: 'causal', concurrent }
}

export function mergeStrategy(option: MergeOption): MergeStrategy {
  if (typeof option === 'object') return option
  if (option === 'causal') return causal('fields')
  return { kind: 'fields', clash: option === 'fields' ? 'lww' : option }
}

/** The name under which decisions tell a strategy. */
export function strategyName(clash: ClashStrategy | ClashStrategy<JsonObject>): ClashRule | 'custom' {
  return typeof clash === 'function' ? 'custom' : clash
}
