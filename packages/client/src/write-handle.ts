/** The handle of a write: resolves when it is saved, tells when it is settled, and undoes it. */
import { type OperationId, type Outcome, parseOperationId, parseTransactionId } from '@holdfast/core'
import type { Write } from './client.ts'
import type { Engine } from './engine.ts'
import type { Random } from './ports/ambient.ts'
import type { WriteDraft } from './store/store.ts'

export interface WriteParts {
  readonly engine: Engine
  readonly random: Random
  /** Called after each write that was saved. */
  readonly onSaved: () => void
}

export function write<T>(parts: WriteParts, draft: WriteDraft, value: T): Write<T> {
  const count = draft.operations.length
  // A transaction that wrote nothing has nothing to save.
  const saving = count === 0 ? Promise.resolve(false) : parts.engine.ask('write', draft)
  return writeHandle(parts, saving, { tx: draft.tx, count, value })
}

interface Written<T> {
  readonly tx: WriteDraft['tx']
  /** How many operations it has; so many its opposite has at most. */
  readonly count: number
  readonly value: T
}

/** @param saving whether there is any operation of the transaction, once it is saved. */
export function writeHandle<T>(
  parts: WriteParts,
  saving: Promise<boolean>,
  { tx, count, value }: Written<T>,
): Write<T> {
  const { engine, random } = parts
  const saved = saving.then(() => {
    parts.onSaved()
    return value
  })
  let settled: Promise<readonly Outcome[]> | null = null
  return {
    // biome-ignore lint/suspicious/noThenProperty: a write is awaited like a promise, and is more than one.
    then: (onSaved, onFailed) => saved.then(onSaved, onFailed),
    get settled() {
      // Asked for only where somebody looks: it costs a message.
      settled ??= saving.then((isWritten) => (isWritten ? engine.ask('settled', { tx }) : []))
      return settled
    },
    undo() {
      const by = parseTransactionId(random.uuid())
      const operationIds: OperationId[] = Array.from({ length: count }, () => parseOperationId(random.uuid()))
      const undoing = saving.then((isWritten) => (isWritten ? engine.ask('undo', { tx, by, operationIds }) : false))
      return writeHandle(parts, undoing, { tx: by, count, value: undefined })
    },
  }
}
