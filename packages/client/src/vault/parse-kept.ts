/** What a second copy holds, parsed where it enters: the copy may be damaged as well, and one broken entry must not cost the others. */
import { isObject, parseDeviceId, parseOperationId, parseRefusal, parseUserId } from '@holdfast/core'
import type { KeptOperation, QueueOwner } from '../ports/queue-copy.ts'

/** In the order of `seq`; what does not parse is left out. Whether a text is an operation, the store finds out. */
export function parseKeptOperations(stored: readonly unknown[]): readonly KeptOperation[] {
  return stored.flatMap((one) => parseKept(one) ?? []).sort((a, b) => a.seq - b.seq)
}

/** Null for what is not an owner: as if it had never been written. */
export function parseOwner(stored: unknown): QueueOwner | null {
  try {
    return isObject(stored) ? { user: parseUserId(stored.user), device: parseDeviceId(stored.device) } : null
  } catch {
    return null
  }
}

function parseKept(stored: unknown): KeptOperation | null {
  if (!isObject(stored) || typeof stored.text !== 'string' || !Number.isSafeInteger(stored.seq)) return null
  const { id, seq, text, refused } = stored
  try {
    return {
      id: parseOperationId(id),
      seq: Number(seq),
      text,
      refused: refused === null ? null : parseRefusal(refused),
    }
  } catch {
    return null
  }
}
