/** What a record's row takes in a page, for the bound of a page: told quickly, exact only where values are long. */
import { Buffer } from 'node:buffer'
import type { Json, ServerRecord } from '@holdfast/core'

export function rowBytes({ values, states }: ServerRecord): number {
  let bytes = bareBytes
  for (const value of Object.values(values.fields)) bytes += valueBytes(value)
  // Documents of shared texts travel with the row.
  for (const state of Object.values(states)) if (typeof state === 'string') bytes += state.length
  return bytes
}

/** Id, version and times. */
const bareBytes = 96

/** Characters up to which a text counts as it is: what its quotes and letters take beyond that does not matter. */
const shortMax = 256

function valueBytes(value: Json): number {
  if (value === null || typeof value === 'number' || typeof value === 'boolean') return 6
  if (typeof value === 'string' && value.length <= shortMax) return value.length + 3
  return Buffer.byteLength(JSON.stringify(value)) + 1
}
