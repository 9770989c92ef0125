/** Another device of a user, in as few words as possible: it pushes single operations and pulls nothing. */
import {
  type JsonObject,
  type OperationKind,
  operationText,
  parseDeviceId,
  parseOperationId,
  parseTransactionId,
  parseUserId,
  syncRequestText,
} from '@holdfast/core'
import type { Server } from '@holdfast/server'
import { v7 } from 'uuid'

export interface Peer {
  push(kind: OperationKind, record: string, fields: JsonObject): Promise<void>
  /** Ids of what it pushed. */
  readonly ids: readonly string[]
}

export function createPeer(server: Server, user: string): Peer {
  const device = parseDeviceId(v7())
  const ids: string[] = []
  let seq = 0
  return {
    ids,
    async push(kind, record, fields) {
      seq += 1
      const id = parseOperationId(v7())
      const nowMs = Date.now()
      const operation = operationText({
        id,
        user: parseUserId(user),
        device,
        seq,
        tx: { id: parseTransactionId(v7()), index: 0, count: 1 },
        collection: 'leads',
        record,
        kind,
        fields,
        was: {},
        base: { generation: null, version: 0 },
        time: { at: nowMs, epoch: 0, hlc: { ms: nowMs, counter: 0 } },
        schemaVersion: 1,
        replaces: [],
        settles: [],
      })
      const clock = { nowMs, epoch: 0, offsetMs: 0, guessedFrom: null, earlier: [] }
      const body = syncRequestText({
        schema: 1,
        user: parseUserId(user),
        device,
        clock,
        cursor: null,
        pull: 'page',
        pending: 0,
        previousDevice: null,
        operations: [operation],
      })
      const headers = { authorization: `Bearer ${user}` }
      const response = await server.fetch(new Request('http://peer/sync', { method: 'POST', headers, body }))
      const text = await response.text()
      if (!/"kind":"(applied|merged)"/.test(text)) throw new Error(`The peer was refused: ${text}`)
      ids.push(id)
    },
  }
}
