import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { leadsSchema } from '../contract/leads.ts'
import type { ServerStore } from '../ports/server-store.ts'
import { administer, createSchema, type Place } from './postgres.test.kit.ts'
import { postgres } from './postgres.ts'

let place: Place
let store: ServerStore
let foreign: pg.Client

beforeEach(async () => {
  place = await createSchema(inject('postgresUrl'))
  store = postgres(place.url)(leadsSchema)
  await store.open()
  foreign = new pg.Client({ connectionString: inject('postgresUrl'), application_name: 'nightly import' })
  await foreign.connect()
})
afterEach(async () => {
  await foreign.end()
  await store.close()
  await place.drop()
})

/** Something commits above an open transaction. */
const commitSomething = () => administer(inject('postgresUrl'), 'select pg_current_xact_id()')

describe('who holds the feed', () => {
  test('an open transaction that has written is named by pid, user, database and program', async () => {
    await foreign.query('begin')
    const [row] = (await foreign.query<{ pid: number }>('select pg_backend_pid() as pid, pg_current_xact_id()')).rows
    await commitSomething()
    const { horizon, head, holder } = await store.health()
    expect(head).toBeGreaterThan(horizon)
    expect(holder).toMatchObject({ pid: row?.pid, application: 'nightly import', prepared: null })
    expect(holder?.user).not.toBe('')
    expect(holder?.database).not.toBe('')
    await foreign.query('rollback')
    expect((await store.health()).holder).toBeNull()
  })

  test('a transaction that has only read holds nothing', async () => {
    await foreign.query('begin isolation level repeatable read')
    await foreign.query('select count(*) from pg_class')
    await commitSomething()
    expect((await store.health()).holder).toBeNull()
    await foreign.query('rollback')
  })

  test('a role without any rights beyond its own sees the program of another role too', async () => {
    const role = `operator_${place.name}`
    await administer(inject('postgresUrl'), `create role ${role} login`)
    await administer(inject('postgresUrl'), `grant create, usage on schema ${place.name} to ${role}`)
    const url = new URL(place.url)
    url.username = role
    await administer(
      inject('postgresUrl'),
      `drop schema ${place.name} cascade; create schema ${place.name} authorization ${role}`,
    )
    const plain = postgres(url.href)(leadsSchema)
    await plain.open()
    try {
      await foreign.query('begin')
      await foreign.query('select pg_current_xact_id()')
      await commitSomething()
      expect((await plain.health()).holder).toMatchObject({ application: 'nightly import' })
      await foreign.query('rollback')
    } finally {
      await plain.close()
      await administer(
        inject('postgresUrl'),
        `drop owned by ${role} cascade; drop role ${role}; create schema ${place.name}`,
      )
    }
  })
})
