import { batchBytesMax, EngineError, parseProblem, parseUserId } from '@holdfast/core'
import { afterEach, expect, test } from 'vitest'
import { createDevice, lead, requestText, startTestServer, type TestServer } from '../server.test.kit.ts'
import { nodeSystem } from '../system/node-system.ts'
import { createAdmission } from './admission.ts'
import { defaultLimits, type Limits, limitsOf } from './limits.ts'

let server: TestServer | null = null
afterEach(async () => {
  await server?.dispose()
  server = null
})

const ali = parseUserId('ali')
const sara = parseUserId('sara')

function admission(limits: Partial<Limits>) {
  return createAdmission({ ...defaultLimits, ...limits }, { ...nodeSystem, nowMs: () => 0 })
}

function codeOf(work: () => unknown): string {
  try {
    work()
    return 'let in'
  } catch (error) {
    return error instanceof EngineError ? error.code : String(error)
  }
}

/** Work that ends when it is told to. */
function open() {
  const { promise, resolve } = Promise.withResolvers<string>()
  return { work: () => promise, end: () => resolve('done') }
}

test('[AD1] of each kind so many are under way, so many wait, for so long; other kinds do not notice', async () => {
  const { begin } = admission({ pullsMax: 1, waitingMax: 1, waitMsMax: 20 })
  const [first, other] = [open(), open()]
  const inside = begin(ali).run('pull', first.work)
  const late = begin(ali).run('pull', other.work)
  await expect(begin(ali).run('pull', other.work)).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(await begin(ali).run('push', async () => 'pushed')).toBe('pushed')
  await expect(late).rejects.toMatchObject({ code: 'OVERLOADED' })
  const next = begin(ali).run('pull', async () => 'pulled')
  first.end()
  expect([await inside, await next]).toEqual(['done', 'pulled'])
})

test('[AD2] pages of rounds with operations are read first', async () => {
  const { readPage } = admission({ pagesMax: 1 })
  const read: string[] = []
  const first = open()
  const all = [readPage('pull', first.work)]
  for (const kind of ['first', 'pull', 'push', 'snapshot', 'push'] as const) {
    all.push(readPage(kind, async () => kind).finally(() => read.push(kind)))
  }
  first.end()
  await Promise.all(all)
  expect(read).toEqual(['push', 'push', 'pull', 'first', 'snapshot'])
})

test('[AD3] one user has so many requests under way, and one of its devices; others do not notice', () => {
  const { begin } = admission({ userRequestsMax: 3, deviceRequestsMax: 1 })
  const passes = [begin(ali), begin(ali), begin(ali)]
  expect(codeOf(() => begin(ali))).toBe('TOO_MANY_REQUESTS')
  expect(codeOf(() => begin(sara).ofDevice('phone'))).toBe('let in')
  passes[0]?.ofDevice('phone')
  expect(codeOf(() => passes[1]?.ofDevice('phone'))).toBe('TOO_MANY_REQUESTS')
  expect(codeOf(() => passes[2]?.ofDevice('tablet'))).toBe('let in')
  for (const pass of passes) pass.end()
  for (const pass of passes) pass.end()
  const again = [begin(ali), begin(ali), begin(ali)]
  expect(codeOf(() => again[0]?.ofDevice('phone'))).toBe('let in')
  expect(codeOf(() => begin(ali))).toBe('TOO_MANY_REQUESTS')
})

test('[AD3] one user asks so often over time, and one of its devices', () => {
  const { begin } = admission({ userRequestsPerSecond: 10, deviceRequestsPerSecond: 1 })
  const ask = (device: string) =>
    codeOf(() => {
      const pass = begin(ali)
      try {
        pass.ofDevice(device)
      } finally {
        pass.end()
      }
    })
  expect(Array.from({ length: 11 }, () => ask('phone')).join()).toBe(`${'let in,'.repeat(10)}TOO_MANY_REQUESTS`)
  expect(Array.from({ length: 10 }, () => ask('tablet')).join()).toBe(Array(10).fill('let in').join())
  // The eighty that are left of the hundred, less the one that was refused.
  const others = Array.from({ length: 100 }, (_, number) => ask(`device ${number}`))
  expect(others.filter((answer) => answer === 'let in')).toHaveLength(79)
})

test('[AD3] streams have their limits as well', () => {
  const { stream } = admission({ userStreamsMax: 2, streamsMax: 3 })
  const leave = stream(ali)
  stream(ali)
  expect(codeOf(() => stream(ali))).toBe('TOO_MANY_REQUESTS')
  stream(sara)
  expect(codeOf(() => stream(sara))).toBe('OVERLOADED')
  leave()
  expect(codeOf(() => stream(ali))).toBe('let in')
})

test('[AD4] bodies under way have so many bytes, of one user and of all, until the work is done', async () => {
  const { begin } = admission({ bodyBytesMax: 100, userBodyBytesMax: 60 })
  const [one, two] = [begin(ali), begin(sara)]
  one.takeBody(50)
  expect(codeOf(() => begin(ali).takeBody(11))).toBe('TOO_MANY_REQUESTS')
  two.takeBody(50)
  expect(codeOf(() => two.takeBody(1))).toBe('OVERLOADED')
  const work = open()
  const running = one.run('push', work.work)
  expect(codeOf(() => two.takeBody(1))).toBe('OVERLOADED')
  work.end()
  await running
  expect(codeOf(() => two.takeBody(1))).toBe('let in')
})

test('[AD4] replies that nobody reads hold up those who only pull, and nobody who brings something', async () => {
  const { begin } = admission({ replyBytesMax: 500_000, userRequestsMax: 2 })
  const large = new Uint8Array(1_000_000)
  const body = begin(ali).reply(large)
  if (!(body instanceof ReadableStream)) throw new Error('It goes at once.')
  const pulled = async () => {
    const pass = begin(sara)
    return pass.run('pull', async () => 'pulled').finally(pass.end)
  }
  await expect(pulled()).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(await begin(parseUserId('omar')).run('push', async () => 'pushed')).toBe('pushed')
  // Who has not read its replies has its requests under way still.
  begin(ali)
  expect(codeOf(() => begin(ali))).toBe('TOO_MANY_REQUESTS')
  expect((await new Response(body).bytes()).length).toBe(large.length)
  expect(await pulled()).toBe('pulled')
  expect(codeOf(() => begin(ali))).toBe('let in')

  const left = begin(parseUserId('lena')).reply(large)
  if (!(left instanceof ReadableStream)) throw new Error('It goes at once.')
  await expect(pulled()).rejects.toMatchObject({ code: 'OVERLOADED' })
  await left.cancel()
  expect(await pulled()).toBe('pulled')
})

test('over HTTP: 429 and 503, with a Retry-After of 1 to 10 s by chance, and nothing changed', async () => {
  const limits = { deviceRequestsPerSecond: 1, pushesMax: 1, firstPullsMax: 8, waitingMax: 1 }
  server = await startTestServer({ limits })
  const device = createDevice('ali', 1)
  const before = await server.server.store.horizon()
  const empty = requestText([])
  const many = await Promise.all(Array.from({ length: 8 }, () => server?.post('ali', empty) ?? Promise.reject()))
  expect(many.map(({ status }) => status)).toEqual(Array(8).fill(200))
  const pushes = Array.from({ length: 8 }, (_, number) => requestText([device.create(`l${number}`, lead)]))
  const answers = await Promise.all(pushes.map((text) => server?.post('ali', text) ?? Promise.reject()))
  const refused = answers.filter(({ status }) => status !== 200)
  expect(refused.length).toBe(6)
  for (const response of refused) {
    expect([429, 503]).toContain(response.status)
    expect(response.headers.get('retry-after')).toMatch(/^([1-9]|10)$/)
    expect(parseProblem(await response.json())?.code).toBe(response.status === 429 ? 'TOO_MANY_REQUESTS' : 'OVERLOADED')
  }
  expect(await server.server.store.horizon()).toBe(before + 2)
})

test('streams of pokes are requests as well, and counted until they end', async () => {
  const served = await startTestServer({ limits: { userStreamsMax: 2 } })
  server = served
  const open = async () => {
    const headers = { authorization: `Bearer ${await served.token('ali')}` }
    return served.server.fetch(new Request('http://test/poke', { headers }))
  }
  const [first, second, third] = [await open(), await open(), await open()]
  expect([first.status, second.status, third.status]).toEqual([200, 200, 429])
  await first.body?.cancel()
  expect((await open()).status).toBe(200)
  expect((await open()).status).toBe(429)
})

test('a device has one stream of pokes: a new one ends the one before, of this device and user only', async () => {
  const served = await startTestServer({ limits: { userStreamsMax: 2 } })
  server = served
  const [phone, tablet] = [createDevice('ali', 1).id, createDevice('ali', 2).id]
  const open = async (user: string, device: string) => {
    const headers = { authorization: `Bearer ${await served.token(user)}` }
    const response = await served.server.fetch(new Request(`http://test/poke?device=${device}`, { headers }))
    let isOpen = true
    void response.text().then(() => {
      isOpen = false
    })
    return { status: response.status, isOpen: () => isOpen }
  }
  const streams = [await open('ali', phone), await open('ali', tablet), await open('sara', phone)]
  for (let turn = 0; turn < 5; turn += 1) streams.push(await open('ali', phone))
  await nodeSystem.breathe()
  expect(streams.map(({ status }) => status)).toEqual(Array(8).fill(200))
  expect(streams.map(({ isOpen }) => isOpen())).toEqual([false, true, true, false, false, false, false, true])
})

test('bodies that are under way together are more than one user may have: 429, and nothing is left behind', async () => {
  const served = await startTestServer({ limits: { userBodyBytesMax: 2 * batchBytesMax } })
  server = served
  const ends: (() => void)[] = []
  /** A batch that has come but for its end. */
  const slow = () =>
    new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(new Uint8Array(batchBytesMax - 10).fill(0x20))
        ends.push(() => {
          controller.enqueue(new TextEncoder().encode('{}'))
          controller.close()
        })
      },
    })
  const postSlow = async () => {
    const headers = { authorization: `Bearer ${await served.token('ali')}` }
    // What fetch asks for with a body that is a stream.
    const init = { method: 'POST', headers, body: slow(), duplex: 'half' } as const
    return served.server.fetch(new Request('http://test/sync', init))
  }
  const under = [postSlow(), postSlow()]
  await new Promise((resolve) => setTimeout(resolve, 50))
  const text = requestText([])
  expect((await served.post('ali', text)).status).toBe(429)
  expect((await served.post('sara', text)).status).toBe(403)
  for (const end of ends) end()
  expect((await Promise.all(under)).map(({ status }) => status)).toEqual([400, 400])
  expect((await served.post('ali', text)).status).toBe(200)
})

test('a limit that is none, or no number, is refused at the start', () => {
  expect(limitsOf()).toEqual(defaultLimits)
  expect(limitsOf({ pullsMax: 3 })).toEqual({ ...defaultLimits, pullsMax: 3 })
  // @ts-expect-error there is no limit of that name
  expect(() => limitsOf({ pulls: 3 })).toThrow('There is no limit "pulls".')
  expect(() => limitsOf({ userBodyBytesMax: 1_000 })).toThrow('at least 16777216')
  for (const value of [0, -1, 1.5, Number.NaN]) {
    expect(() => limitsOf({ pullsMax: value })).toThrow('Give an integer of 1 or more')
  }
})
