/**
 * A file beside the embedded database that says which database was served here, and up to which commit: a copy that is put in its
 * place is known by it before it is served.
 *
 * ID1  The file is never ahead of the database that it names. So a database behind its file was set back, and one that another file
 *      names, or none, was brought from elsewhere.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import path from 'node:path'
import { isObject } from '@holdfast/core'

export interface Identity {
  /** Made with the database, and again when an operator has said that it was restored. */
  readonly database: string
  /** A commit that it had. */
  readonly place: number
}

/** Null: there is none that can be read. */
export function readIdentity(directory: string): Identity | null {
  try {
    const read: unknown = JSON.parse(readFileSync(fileIn(directory), 'utf8'))
    if (!isObject(read) || typeof read.database !== 'string' || typeof read.place !== 'number') return null
    return { database: read.database, place: read.place }
  } catch {
    return null
  }
}

/** Whole or not at all, and on the disk when it returns. */
export function writeIdentity(directory: string, identity: Identity): void {
  const made = `${fileIn(directory)}.new`
  const file = openSync(made, 'w')
  try {
    writeSync(file, `${JSON.stringify(identity)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(made, fileIn(directory))
}

function fileIn(directory: string): string {
  return path.join(directory, 'identity.json')
}
