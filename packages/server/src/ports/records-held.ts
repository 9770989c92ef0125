import { EngineError } from '@holdfast/core'

/**
 * A transaction waited in vain for records, or for keys, that another one holds. It is about the records of this work and not about the
 * machine: work on others goes on.
 */
export class RecordsHeld extends EngineError {
  constructor(options: ErrorOptions) {
    super('OVERLOADED', 'Another program has records locked that were to be written.', options)
  }
}
