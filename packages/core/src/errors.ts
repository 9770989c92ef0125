/**
 * Every error that Holdfast raises or receives, by code. Codes are words and stable: the same code crosses the wire, the
 * worker and the log. `fix` tells a person what to do; what the engine does is decided where the error is met.
 */
export const errors = {
  /** The request or reply does not parse as the protocol. */
  MALFORMED: {
    fix: 'Check that the address is a Holdfast server and that app and server are of the same version.',
  },
  /** A value breaks a rule of the schema. */
  INVALID_VALUE: { fix: 'Change the value so that it keeps the rule, and write again.' },
  UNKNOWN_COLLECTION: { fix: 'Add the collection to the schema, or correct its name.' },
  UNKNOWN_FIELD: { fix: 'Add the field to the collection, or correct its name.' },
  /** The record is absent, or outside what this user may see: one answer for both. */
  NOT_FOUND: {
    fix: 'The record is gone or belongs to somebody else. Keep a copy of your change, or discard it.',
  },
  ALREADY_EXISTS: { fix: 'Create the record under a new id.' },
  RECORD_DELETED: { fix: 'The record was deleted. Restore it first, or discard the change.' },
  FORBIDDEN: { fix: 'Ask somebody who may make this change, or discard it.' },
  /** A reference points at a record that does not exist. */
  REFERENCE_MISSING: { fix: 'Choose an existing record for this field.' },
  /** For a reason that this version of the app does not know. */
  REFUSED: { fix: 'Update the app, then try again, or discard the change.' },
  /** So many questions are open about the record that there is no room for one more. */
  TOO_MANY_CONFLICTS: { fix: 'Settle what is open about this record, then try again.' },
  /** An operation on which this one depends was refused. */
  BLOCKED: { fix: 'Mend the operation that it depends on first.' },
  /** The server failed on this operation alone, time after time, while it took all others. */
  GAVE_UP: { fix: 'Try again later; if it lasts, export it for whoever runs the server.' },
  /** It was sent so long ago that the server does not remember whether it had arrived. */
  MAY_HAVE_ARRIVED: { fix: 'Compare it with what is shown now. Send it again if it is missing, else discard it.' },
  /** A retry arrived after the operation that it replaces had taken effect. */
  ALREADY_APPLIED: { fix: 'Your change is on the server already. Discard this copy.' },
  /** The same operation id arrived with another payload. */
  KEY_REUSED: {
    fix: 'This is a defect of the app or a restored copy of a device: keep the data and report it.',
  },
  TRANSACTION_INCOMPLETE: { fix: 'Send all operations of one app transaction in the same batch.' },
  TRANSACTION_TOO_LARGE: { fix: 'Split the write into several smaller ones.' },
  TOO_LARGE: { fix: 'The batch is halved and sent again; a single operation of this size is refused.' },
  UNAUTHENTICATED: { fix: 'Sign in again. Everything that waits is kept.' },
  ACCOUNT_FORBIDDEN: { fix: 'This account may not sync here. Everything that waits is kept.' },
  USER_MISMATCH: { fix: 'Sign in as the user who made the changes that wait.' },
  /** The server was restored from a backup. */
  GENERATION_CHANGED: { fix: 'Holdfast starts over by itself, and sends again what the server has lost.' },
  /** The device was away for longer than the server remembers what was deleted. */
  CURSOR_TOO_OLD: { fix: 'Holdfast downloads everything anew by itself. Everything that waits is kept.' },
  UPGRADE_REQUIRED: { fix: 'Update the app to sync. Everything that waits is kept.' },
  /** No answer, or none in time. */
  UNREACHABLE: { fix: 'Holdfast tries again by itself when the network is back.' },
  /** Something answered that is not a Holdfast server: a captive portal, a proxy. */
  NOT_HOLDFAST: { fix: 'Sign in to the network (a captive portal?) and try again.' },
  SERVER_ERROR: {
    fix: 'Holdfast tries again by itself; if it lasts, look at the log of the server.',
  },
  /** This account or device asked for more than its share. */
  TOO_MANY_REQUESTS: { fix: 'Holdfast tries again by itself at the time that the server named.' },
  OVERLOADED: { fix: 'Holdfast tries again by itself at the time that the server named.' },
  /** So much waits on this device that nothing more may be added. */
  OUTBOX_FULL: {
    fix: 'Connect, so that what waits is sent, then write again. Nothing that was saved is lost.',
  },
  STORAGE_FULL: {
    fix: 'Free some space on the device, then write again. Nothing that was saved is lost.',
  },
  STORAGE_FAILED: {
    fix: 'The device could not read or write its storage. Reload the app; if it lasts, export what waits.',
  },
  /** The database file is broken. The engine moves it aside, makes a new one, and restores what waits from the second copy. */
  STORAGE_CORRUPT: {
    fix: 'Open the app again: the database is made anew, and what waits is restored from its second copy.',
  },
  STORAGE_UNAVAILABLE: {
    fix: 'Use a browser with the Origin Private File System (and not a private window), or a current Chromium.',
  },
  /** Another process, tab or app version holds the database. */
  STORAGE_LOCKED: { fix: 'Close the other process that uses this database.' },
  CLOSED: { fix: 'Open the client again; this one was closed.' },
} as const satisfies Record<string, { readonly fix: string }>

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
