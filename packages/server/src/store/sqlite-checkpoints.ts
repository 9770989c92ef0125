/**
 * Checkpoints of the WAL, in a thread of their own: a commit then costs its own pages and one flush, and the event loop is not
 * held while tens of megabytes move into the database file.
 *
 * CP1  Nothing depends on a checkpoint but the size of the WAL: a commit is durable when its frames are flushed.
 * CP2  A WAL that grows faster than the thread empties it is emptied by the writer itself, between two transactions.
 */
import { statSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Connection } from './sqlite-connection.ts'

export interface Checkpoints {
  /** After each commit, outside of a transaction. */
  committed(): void
  close(): Promise<void>
}

export function createCheckpoints(file: string, writer: Connection): Checkpoints {
  let worker: Worker | null = null
  let isBusy = false

  const start = (): Worker => {
    const started = new Worker(workerCode, { eval: true, workerData: file, resourceLimits })
    started.unref()
    started.on('message', () => {
      isBusy = false
    })
    // It stays busy for ever: from here on the writer empties the WAL at its upper bound.
    started.on('error', () => undefined)
    return started
  }

  return {
    committed: () => {
      const bytes = walBytes(file)
      if (bytes > walBytesMax) emptyWal(writer)
      else if (bytes > walBytesMin && !isBusy) {
        isBusy = true
        worker ??= start()
        worker.postMessage('checkpoint')
      }
    },
    close: async () => {
      await worker?.terminate()
    },
  }
}

/** Below this the WAL is left alone. */
export const walBytesMin = 4 * 1024 * 1024
const walBytesMax = 256 * 1024 * 1024

/** The commit before it stands, whatever becomes of this. */
function emptyWal(writer: Connection): void {
  try {
    writer.exec('pragma wal_checkpoint(truncate)')
  } catch {
    // Busy, or the disk is full: the next commit tries again, and says so if it fails itself.
  }
}

function walBytes(file: string): number {
  return statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0
}

/** It holds nothing; left to itself its heap would take as much as the server's. */
const resourceLimits = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 }

/** Plain JavaScript in a text, so that sources and build run the same. A checkpoint that is refused (busy) is tried at the next commit. */
const workerCode = `
const { parentPort, workerData } = require('node:worker_threads')
const { DatabaseSync } = require('node:sqlite')
const database = new DatabaseSync(workerData)
parentPort.on('message', () => {
  try {
    database.exec('pragma wal_checkpoint(passive)')
  } catch {}
  parentPort.postMessage('done')
})
`
