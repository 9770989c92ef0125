/**
 * Every error that Holdfast raises or receives, by code. Codes are words and stable: the same code crosses the wire, the
 * worker and the log. `retry` tells the shell what to do; `fix` tells a person.
 */
export const errors = {
  /** The request or reply does not parse as the protocol. */
  MALFORMED: {
    retry: 'backoff',
    fix: 'Check that the address is a Holdfast server and that app and server are of the same version.',
  },
  /** A value breaks a rule of the schema. */
  INVALID_VALUE: { retry: 'never', fix: 'Change the value so that it keeps the rule, and write again.' },
  UNKNOWN_COLLECTION: { retry: 'never', fix: 'Add the collection to the schema, or correct its name.' },
  UNKNOWN_FIELD: { retry: 'never', fix: 'Add the field to the collection, or correct its name.' },
  /** The record is absent, or outside what this user may see: one answer for both. */
  NOT_FOUND: {
    retry: 'never',
    fix: 'The record is gone or belongs to somebody else. Keep a copy of your change, or discard it.',
  },
  ALREADY_EXISTS: { retry: 'never', fix: 'Create the record under a new id.' },
  RECORD_DELETED: { retry: 'never', fix: 'The record was deleted. Restore it first, or discard the change.' },
  FORBIDDEN: { retry: 'never', fix: 'Ask somebody who may make this change, or discard it.' },
  /** A reference points at a record that does not exist. */
  REFERENCE_MISSING: { retry: 'never', fix: 'Choose an existing record for this field.' },
  /** An operation on which this one depends was refused. */
  BLOCKED: { retry: 'never', fix: 'Mend the operation that it depends on first.' },
  /** A retry arrived after the operation that it replaces had taken effect. */
  ALREADY_APPLIED: { retry: 'never', fix: 'Your change is on the server already. Discard this copy.' },
  /** The same operation id arrived with another payload. */
  KEY_REUSED: {
    retry: 'never',
    fix: 'This is a defect of the app or a restored copy of a device: keep the data and report it.',
  },
  TRANSACTION_INCOMPLETE: { retry: 'never', fix: 'Send all operations of one app transaction in the same batch.' },
  TRANSACTION_TOO_LARGE: { retry: 'never', fix: 'Split the write into several smaller ones.' },
  TOO_LARGE: { retry: 'split', fix: 'The batch is halved and sent again; a single operation of this size is refused.' },
  UNAUTHENTICATED: { retry: 'pause', fix: 'Sign in again. Everything that waits is kept.' },
  ACCOUNT_FORBIDDEN: { retry: 'pause', fix: 'This account may not sync here. Everything that waits is kept.' },
  USER_MISMATCH: { retry: 'pause', fix: 'Sign in as the user who made the changes that wait.' },
  GENERATION_CHANGED: {
    retry: 'pause',
    fix: 'The server was restored. Everything that waits is kept; update the app to go on.',
  },
  CURSOR_TOO_OLD: { retry: 'snapshot', fix: 'The device loads its records anew; nothing to do.' },
  UPGRADE_REQUIRED: { retry: 'pause', fix: 'Update the app to sync. Everything that waits is kept.' },
  /** No answer, or none in time. */
  UNREACHABLE: { retry: 'backoff', fix: 'Holdfast tries again by itself when the network is back.' },
  /** Something answered that is not a Holdfast server: a captive portal, a proxy. */
  NOT_HOLDFAST: { retry: 'backoff', fix: 'Sign in to the network (a captive portal?) and try again.' },
  SERVER_ERROR: {
    retry: 'backoff',
    fix: 'Holdfast tries again by itself; if it lasts, look at the log of the server.',
  },
  OVERLOADED: { retry: 'backoff', fix: 'Holdfast tries again by itself at the time that the server named.' },
  STORAGE_FULL: {
    retry: 'never',
    fix: 'Free some space on the device, then write again. Nothing that was saved is lost.',
  },
  STORAGE_FAILED: {
    retry: 'never',
    fix: 'The device could not read or write its storage. Reload the app; if it lasts, export what waits.',
  },
  STORAGE_UNAVAILABLE: {
    retry: 'never',
    fix: 'Use a browser with the Origin Private File System (and not a private window), or a current Chromium.',
  },
  /** Another process, tab or app version holds the database. */
  STORAGE_LOCKED: { retry: 'backoff', fix: 'Close the other process that uses this database.' },
  CLOSED: { retry: 'never', fix: 'Open the client again; this one was closed.' },
} as const satisfies Record<string, { readonly retry: Retry; readonly fix: string }>

/** What the shell does: wait and try again, halve the batch, load a snapshot, pause until something changes, or give up. */
export type Retry = 'backoff' | 'split' | 'snapshot' | 'pause' | 'never'

export type ErrorCode = keyof typeof errors

/** A fault of the world: disk, network, people, other versions. `message` holds code, problem and remedy. */
export class EngineError extends Error {
  override readonly name = 'EngineError'
  readonly code: ErrorCode
  /** What happened, without code and remedy; never a field's value. */
  readonly problem: string
  /** The field at fault, where there is one. */
  readonly field: string | null

  constructor(code: ErrorCode, problem: string, options: ErrorOptions & { readonly field?: string } = {}) {
    super(`${code}: ${problem} ${errors[code].fix}`, options)
    this.code = code
    this.problem = problem
    this.field = options.field ?? null
  }

  /** What a person can do about it. */
  get fix(): string {
    return errors[this.code].fix
  }
}

/** The app called Holdfast wrongly: the message says what was given, what is allowed and what to write instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export function isErrorCode(input: unknown): input is ErrorCode {
  return typeof input === 'string' && Object.hasOwn(errors, input)
}
