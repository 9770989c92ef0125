import { parseDeviceId, parseUserId } from '@holdfast/core'
import { expect, inject, onTestFinished, test } from 'vitest'
import { requestText, startTestServer, type TestServer } from '../server.test.kit.ts'
import { createSchema } from '../store/postgres.test.kit.ts'
import { postgres } from '../store/postgres.ts'

test('[LR1] [V-2] a device that meets two processes in turn: the store has what it told last', async () => {
  const place = await createSchema(inject('postgresUrl'))
  const one = await startTestServer({ store: postgres(place.url) })
  const two = await startTestServer({ store: postgres(place.url) })
  onTestFinished(async () => {
    await one.dispose()
    await two.dispose()
    await place.drop()
  })
  const tell = async (server: TestServer, pending: number) => {
    const [device, user] = [parseDeviceId('0190ffff-0000-7000-8000-000000000000'), parseUserId('ali')]
    const before = (await one.server.store.deviceReport(user, device))?.pending
    // The device comes again after the other process has heard of it.
    const heard = Promise.withResolvers<void>()
    const end = (server === one ? two : one).server.store.broker.listen(() => heard.resolve())
    const response = await server.post('ali', requestText([]).replace('{', `{"pending":${pending},`))
    expect(response.status).toBe(200)
    if (before !== pending) await heard.promise
    end()
    return (await one.server.store.deviceReport(user, device))?.pending
  }
  const told = [await tell(one, 7), await tell(two, 0), await tell(one, 7), await tell(one, 7), await tell(two, 0)]
  expect(told).toEqual([7, 0, 7, 7, 0])
})
