/** How much goes into one request: halved when it was too much, doubled again after each success. Pure. */
import { batchBytesMax, batchOperationsMax, cursorLengthMax } from '@holdfast/core'
import type { BatchLimit } from '../store/store.ts'

/** The request's head with the longest cursor, and commas. */
const headBytesMax = cursorLengthMax + 16_384
const bytesMin = 65_536

export const batchLimitMax: BatchLimit = {
  operationsMax: batchOperationsMax,
  bytesMax: batchBytesMax - headBytesMax,
}

/** @param sent how many operations the batch had that was too large. */
export function halved(limit: BatchLimit, sent: number): BatchLimit {
  return {
    operationsMax: Math.max(1, Math.floor(Math.min(limit.operationsMax, sent) / 2)),
    bytesMax: Math.max(bytesMin, Math.floor(limit.bytesMax / 2)),
  }
}

export function doubled(limit: BatchLimit): BatchLimit {
  return {
    operationsMax: Math.min(batchLimitMax.operationsMax, limit.operationsMax * 2),
    bytesMax: Math.min(batchLimitMax.bytesMax, limit.bytesMax * 2),
  }
}
