/** The inbox as a file: for a person to keep, or to give to whoever can help. */
import { type DeviceId, isObject, type UserId } from '@holdfast/core'
import type { RefusedGroup, RefusedOperation } from './inbox.ts'
import type { InboxFile } from './store.ts'

interface Origin {
  readonly user: UserId
  readonly device: DeviceId
  readonly schemaVersion: number
  readonly nowMs: number
}

export function inboxFile(groups: readonly RefusedGroup[], { user, device, schemaVersion, nowMs }: Origin): InboxFile {
  const content = {
    format: 'holdfast-inbox 1',
    user,
    device,
    schemaVersion,
    exportedAt: dateText(nowMs),
    changes: groups.map(({ root, members }) => ({ ...reasonOf(root), operations: members.map(entryOf) })),
  }
  const who = user.replace(/[^A-Za-z0-9._-]+/g, '-').slice(0, 40)
  return {
    name: `refused-changes-${who}-${dateText(nowMs).slice(0, 10)}.json`,
    text: `${JSON.stringify(content, null, 2)}\n`,
  }
}

function reasonOf({ operation, code, field, problem, refusedAt }: RefusedOperation) {
  return { id: operation.id, code, field, problem, refusedAt: dateText(refusedAt) }
}

/** The operation with every member that was written, known to this version or not. */
function entryOf(refused: RefusedOperation) {
  const operation: unknown = JSON.parse(refused.text)
  return { ...reasonOf(refused), attempts: refused.attempts, operation: isObject(operation) ? operation : refused.text }
}

/** A clock may stand anywhere; beyond what a date can say, the number says it. */
function dateText(ms: number): string {
  return Math.abs(ms) <= dateMsMax ? new Date(ms).toISOString() : String(ms)
}

const dateMsMax = 8_640_000_000_000_000
