/**
 * Announcements between server processes by LISTEN and NOTIFY, on one connection of its own: it holds no transaction open, and takes
 * none from the pool. Other programs' writes are announced by the triggers on their tables, on the same channel.
 *
 * Everybody who may connect to the database may announce. So an announcement costs a look at the feed and no more: whoever tells of a
 * transaction that has not been is believed to have said that something changed.
 *
 * Laws: see ports/broker.ts. NOTIFY is sent after the commit and outside of it: inside, Postgres would let one commit pass at a
 * time. A process that dies in between announces nothing; devices of the others then learn of the commit at their next poll.
 */
import pg from 'pg'
import type { Announcement, Broker } from '../ports/broker.ts'
import type { System } from '../ports/system.ts'

export interface PostgresBroker extends Broker {
  /** Connects. Trouble with that refuses nothing: it is tried again until `close`. */
  open(): Promise<void>
  close(): Promise<void>
}

/** The channel of the connection's current schema, as SQL: every store has a schema of its own. The triggers use the same. */
export const channelSql = `'holdfast_' || left(md5(current_schema()), 16)`

/** The text that crosses the channel. Postgres takes fewer than 8,000 bytes; scopes that do not fit are any. */
export function announcementText({ place, scopes, device }: Announcement, from: string | null): string {
  const text = JSON.stringify({ place, scopes: scopes === 'any' ? null : scopes, device, from })
  return Buffer.byteLength(text) <= textBytesMax ? text : JSON.stringify({ place, scopes: null, device, from })
}

/** Null for what is no announcement: everybody who may connect to the database may send on its channels. */
export function parseAnnouncement(text: string): (Announcement & { readonly from: string | null }) | null {
  const given = parsed(text)
  if (typeof given !== 'object' || given === null) return null
  const { place, scopes, device, from } = given as { readonly [member: string]: unknown }
  if (typeof place !== 'number' || !Number.isSafeInteger(place) || place < 0) return null
  if (scopes !== null && !(Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string'))) return null
  return {
    place,
    scopes: scopes ?? 'any',
    device: typeof device === 'string' ? device : null,
    from: typeof from === 'string' ? from : null,
  }
}

export function createPostgresBroker(url: string, system: System): PostgresBroker {
  /** Which announcements are this process's own. */
  const self = Buffer.from(system.randomBytes(6)).toString('hex')
  const listeners = new Set<(announcement: Announcement) => void>()
  let line: Line | null = null
  let waiting: readonly Announcement[] = []
  let heard: readonly Announcement[] = []
  let isBelieving = false
  /** No transaction from this one on had begun when this was asked last. */
  let nextPlace = 0
  let isSending = false
  let attempt = 0
  let isClosed = false
  let cancelRetry: () => void = () => undefined

  const tell = (announcement: Announcement): void => {
    for (const listener of [...listeners]) listener(announcement)
  }

  const hear = (text: string): void => {
    const announcement = parseAnnouncement(text)
    if (announcement === null || announcement.from === self) return
    const { place, scopes, device } = announcement
    heard = bounded([...heard, { place, scopes, device }])
    void believe()
  }

  /** Tells what was heard; of a transaction that has not been, not which: it would be waited for without an end. */
  const believe = async (): Promise<void> => {
    if (isBelieving) return
    isBelieving = true
    while (heard.length > 0) {
      const now = heard
      heard = []
      if (now.some(({ place }) => place >= nextPlace)) nextPlace = (await line?.nextPlace()) ?? 0
      if (isClosed) return
      for (const announcement of now) {
        tell(announcement.place < nextPlace ? announcement : { ...announcement, place: 0 })
      }
    }
    isBelieving = false
  }

  const connect = async (): Promise<void> => {
    const broken = (): void => {
      if (line === null) return
      line = null
      retry()
    }
    const opening = await openLine(url, { hear, broken, system }).catch(() => null)
    if (isClosed) return void (await opening?.end())
    if (opening === null) return retry()
    line = opening
    nextPlace = 0 // The database may have another life.
    // Whatever was committed while nobody heard.
    if (attempt > 0) tell(anything)
    attempt = 0
    void send()
  }

  const retry = (): void => {
    if (isClosed) return
    attempt += 1
    cancelRetry = system.after(retryMs(attempt, system), () => void connect())
  }

  const send = async (): Promise<void> => {
    if (isSending) return
    isSending = true
    try {
      while (line !== null && waiting.length > 0) {
        const now = waiting
        waiting = []
        // Not sent, or not known: they go again with the next line. Twice announced is poked twice.
        const isSent = await line.notify(now.map((announcement) => announcementText(announcement, self)))
        if (!isSent) waiting = bounded([...now, ...waiting])
      }
    } finally {
      isSending = false
    }
  }

  return {
    open: connect,
    publish: (announcement) => {
      if (isClosed) return
      waiting = bounded([...waiting, announcement])
      void send()
    },
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: async () => {
      isClosed = true
      cancelRetry()
      const closing = line
      line = null
      await closing?.end()
    },
  }
}

/** One connection that listens. */
interface Line {
  /** Whether they were sent; false when the line broke. */
  notify(texts: readonly string[]): Promise<boolean>
  /** The place that no transaction has got yet; null when the line broke. */
  nextPlace(): Promise<number | null>
  end(): Promise<void>
}

interface LinePorts {
  readonly hear: (text: string) => void
  /** Called once, when the line is gone. */
  readonly broken: () => void
  readonly system: System
}

async function openLine(url: string, { hear, broken, system }: LinePorts): Promise<Line> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'holdfast pokes',
    connectionTimeoutMillis: answerMsMax,
    query_timeout: answerMsMax,
    keepAlive: true,
  })
  let isOver = false
  let cancelBeat: () => void = () => undefined
  const end = async (): Promise<void> => {
    isOver = true
    cancelBeat()
    // A server that is gone does not say good-bye.
    await Promise.race([
      client.end().catch(() => undefined),
      new Promise<void>((resolve) => system.after(1_000, resolve)),
    ])
  }
  const lose = (): void => {
    if (isOver) return
    void end()
    broken()
  }
  // A line that is dead without having said so is found by asking.
  const beat = (): void => {
    cancelBeat = system.after(beatMs, () => client.query('select 1').then(beat, lose))
  }
  client.on('error', lose)
  client.on('end', lose)
  client.on('notification', ({ payload }) => hear(payload ?? ''))
  try {
    await client.connect()
    const { rows } = await client.query<{ channel: string }>(`select ${channelSql} as channel`)
    await client.query(`listen ${client.escapeIdentifier(String(rows[0]?.channel))}`)
  } catch (error) {
    await end()
    throw error
  }
  beat()
  return {
    end,
    nextPlace: () =>
      client.query<{ next: string }>(nextPlaceSql).then(
        ({ rows }) => Number(rows[0]?.next),
        () => {
          lose()
          return null
        },
      ),
    notify: (texts) =>
      client.query(notifySql, [texts]).then(
        () => true,
        () => {
          lose()
          return false
        },
      ),
  }
}

const nextPlaceSql = 'select pg_snapshot_xmax(pg_current_snapshot())::text as next'

const notifySql = `select pg_notify(${channelSql}, text) from unnest($1::text[]) as text`

const anything: Announcement = { place: 0, scopes: 'any', device: null }

/** BR3 */
function bounded(waiting: readonly Announcement[]): readonly Announcement[] {
  if (waiting.length <= waitingMax) return waiting
  return [{ ...anything, place: Math.max(...waiting.map(({ place }) => place)) }]
}

/** Full jitter, so that the servers of a database that comes back do not all ask at once. */
function retryMs(attempt: number, system: System): number {
  const share = (system.randomBytes(1)[0] ?? 0) / 256
  return 100 + share * Math.min(retryMsMax, 250 * 2 ** attempt)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const textBytesMax = 7_500
const waitingMax = 1_000
const retryMsMax = 10_000
const beatMs = 15_000
const answerMsMax = 5_000
