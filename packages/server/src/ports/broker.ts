/**
 * The port between server processes over one database: what one of them committed is told to the others, so that devices that
 * listen there are poked. An announcement carries no data.
 *
 * BR1  What is published reaches the listeners of every other process over the same database, after the commit, and not the own ones.
 * BR2  What may have been lost is told: after a break of the line listeners hear that anything may have changed. So a lost
 *      announcement costs time and never a row.
 * BR3  `publish` never waits and never throws, and what waits to be told is bounded: too much becomes one that says 'any'.
 */
import type { Scope } from './server-store.ts'

export interface Announcement {
  /** The commit. 0 when it is not known which. */
  readonly place: number
  /** The scopes that it touched; 'any' when it is not known which, or there are too many to name. */
  readonly scopes: 'any' | readonly Scope[]
  /**
   * The device that made it and need not be told; null: tell all. With place 0 and without scopes: the device that has told something new
   * of itself (push/last-reports.ts); nobody is poked.
   */
  readonly device: string | null
}

export interface Broker {
  /** Tells the other processes of a commit of this one. */
  publish(announcement: Announcement): void
  /** Hears of the commits of others; answers a function that ends the listening. */
  listen(listener: (announcement: Announcement) => void): () => void
}

/** Of a store that only one process may open: there is nobody to tell. */
export const nobody: Broker = { publish: () => undefined, listen: () => () => undefined }
