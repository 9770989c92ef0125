import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import type { Announcement } from '../ports/broker.ts'
import { nodeSystem } from '../system/node-system.ts'
import { administer, createSchema, type Place } from './postgres.test.kit.ts'
import { announcementText, channelSql, createPostgresBroker, type PostgresBroker } from './postgres-broker.ts'

describe('announcements over Postgres', () => {
  let place: Place
  const brokers: PostgresBroker[] = []
  const opened = async (url: string): Promise<{ broker: PostgresBroker; heard: Announcement[] }> => {
    const broker = createPostgresBroker(url, nodeSystem)
    brokers.push(broker)
    await broker.open()
    const heard: Announcement[] = []
    broker.listen((announcement) => void heard.push(announcement))
    return { broker, heard }
  }
  /** What has been sent has been heard, once a later one was. */
  const settled = async (from: PostgresBroker, by: readonly Announcement[]): Promise<void> => {
    from.publish({ place: 500, scopes: ['end'], device: null })
    await vi.waitFor(() => expect(by.at(-1)).toMatchObject({ place: 500 }), 10_000)
  }

  beforeEach(async () => {
    place = await createSchema(inject('postgresUrl'))
  })
  afterEach(async () => {
    for (const broker of brokers.splice(0)) await broker.close()
    await place.drop()
  })

  test('[BR1] the others hear each announcement in order, the sender and other schemas nothing', async () => {
    const elsewhere = await createSchema(inject('postgresUrl'))
    const [a, b, c, other] = [
      await opened(place.url),
      await opened(place.url),
      await opened(place.url),
      await opened(elsewhere.url),
    ]
    const sent = Array.from(
      { length: 200 },
      (_, index): Announcement => ({
        place: index + 1,
        scopes: ['all', `agent:${index}`],
        device: index % 2 === 0 ? null : `device-${index}`,
      }),
    )
    for (const announcement of sent) a.broker.publish(announcement)
    await settled(a.broker, b.heard)
    await settled(b.broker, a.heard)
    await vi.waitFor(() => expect(c.heard).toHaveLength(202), 10_000)
    expect(b.heard.slice(0, -1)).toEqual(sent)
    expect(c.heard.slice(0, 200)).toEqual(sent)
    expect(a.heard.map((one) => one.place)).toEqual([500])
    expect(other.heard).toEqual([])
    await elsewhere.drop()
  })

  test('what another program sends in its transaction is heard when it commits, and not before or without', async () => {
    const { broker, heard } = await opened(place.url)
    const program = new pg.Client(place.url)
    await program.connect()
    const notify = (text: string) => program.query(`select pg_notify(${channelSql}, $1)`, [text])
    await program.query('begin')
    await notify(announcementText({ place: 1, scopes: ['all'], device: null }, null))
    await program.query('rollback')
    await program.query('begin')
    await notify(announcementText({ place: 2, scopes: ['all', 'agent:7'], device: null }, null))
    expect(heard).toEqual([])
    await program.query('commit')
    for (const junk of ['', 'x', '[]', '{"place":"1"}', '{"place":-1,"scopes":null}', '{"place":1,"scopes":[1]}']) {
      await notify(junk)
    }
    await notify('{"place":4,"scopes":null,"device":null,"from":null}')
    await vi.waitFor(() => expect(heard).toHaveLength(2), 10_000)
    expect(heard).toEqual([
      { place: 2, scopes: ['all', 'agent:7'], device: null },
      { place: 4, scopes: 'any', device: null },
    ])
    await program.end()
    await broker.close()
  })

  test('a transaction that has not been is not believed: its scopes are told, and no place', async () => {
    const { heard } = await opened(place.url)
    const program = new pg.Client(place.url)
    await program.connect()
    for (const made of [Number.MAX_SAFE_INTEGER, 3]) {
      await program.query(`select pg_notify(${channelSql}, $1)`, [
        announcementText({ place: made, scopes: ['all'], device: null }, null),
      ])
    }
    const { rows } = await program.query<{ place: string }>(
      `select pg_current_xact_id()::text as place, pg_notify(${channelSql}, json_build_object('place', pg_current_xact_id()::text::bigint, 'scopes', null)::text)`,
    )
    await vi.waitFor(() => expect(heard).toHaveLength(3), 10_000)
    expect(heard).toEqual([
      { place: 0, scopes: ['all'], device: null },
      { place: 3, scopes: ['all'], device: null },
      { place: Number(rows[0]?.place), scopes: 'any', device: null },
    ])
    await program.end()
  })

  test('more scopes than a message takes are any', async () => {
    const [a, b] = [await opened(place.url), await opened(place.url)]
    const scopes = Array.from({ length: 1_000 }, (_, index) => `agent:${index}é`)
    a.broker.publish({ place: 5, scopes, device: null })
    await settled(a.broker, b.heard)
    expect(b.heard[0]).toEqual({ place: 5, scopes: 'any', device: null })
  })

  test('[BR2] [BR3] a line that breaks is opened again: listeners hear that anything may have changed, and what was published meanwhile', async () => {
    const [a, b] = [await opened(place.url), await opened(place.url)]
    await administer(
      place.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holdfast pokes' and pid <> pg_backend_pid()`,
    )
    for (let number = 1; number <= 5_000; number += 1)
      a.broker.publish({ place: number, scopes: ['all'], device: null })
    await vi.waitFor(() => expect(b.heard[0]).toEqual({ place: 0, scopes: 'any', device: null }), 10_000)
    await vi.waitFor(() => expect(a.heard[0]).toEqual({ place: 0, scopes: 'any', device: null }), 10_000)
    // The sender may come back before the listener: whoever was not there is told that anything may have changed.
    await settled(a.broker, b.heard)
    expect(b.heard.length).toBeLessThan(1_010)
    await settled(b.broker, a.heard)
  })

  test('a database that is not there refuses nothing: publishing goes on, and closing ends the attempts', async () => {
    const broker = createPostgresBroker('postgres://nobody@127.0.0.1:1/nothing', nodeSystem)
    await broker.open()
    for (let number = 0; number < 3_000; number += 1) broker.publish({ place: number, scopes: ['all'], device: null })
    await broker.close()
  })
})
