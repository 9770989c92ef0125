import { EngineError, parseProblem, parseUserId } from '@holdfast/core'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ServerOptions } from '../create-server.ts'
import type { System } from '../ports/system.ts'
import { createDevice, lead, requestText, type schema, secret, startTestServer } from '../server.test.kit.ts'
import { nodeSystem } from '../system/node-system.ts'
import { jwt } from './authenticate.ts'

/** The real clock, and timers that a test lets pass. */
function createTimers(): { readonly system: System; pass(ms: number): Promise<void> } {
  let now = 0
  const timers = new Map<() => void, number>()
  const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
  return {
    system: {
      ...nodeSystem,
      after: (delayMs, work) => {
        timers.set(work, now + delayMs)
        return () => void timers.delete(work)
      },
    },
    pass: async (ms) => {
      const end = now + ms
      for (;;) {
        await turn()
        const [next] = [...timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])
        if (next === undefined) break
        timers.delete(next[0])
        now = next[1]
        next[0]()
      }
      now = end
    },
  }
}

type Authenticate = ServerOptions<typeof schema>['authenticate']

const ways: readonly { readonly name: string; readonly authenticate: (isRevoked: () => boolean) => Authenticate }[] = [
  {
    name: 'an app’s own check',
    authenticate: (isRevoked) => async (request) => {
      if (isRevoked()) throw new EngineError('UNAUTHENTICATED', 'The token was revoked.')
      const [, payload = ''] = (request.headers.get('authorization') ?? '').split('.')
      return { userId: parseUserId(JSON.parse(atob(payload)).sub), claims: {} }
    },
  },
  { name: 'a JWT', authenticate: (isRevoked) => jwt({ secret, isRevoked: async () => isRevoked() }) },
]

describe.each(ways)('a token that is revoked, by $name', ({ authenticate }) => {
  test('[I-27] push, pull, rescue, snapshot and new streams stop at once, and nothing has changed; an open stream ends within 60 s', async () => {
    let isRevoked = false
    const { system, pass } = createTimers()
    const served = await startTestServer({ authenticate: authenticate(() => isRevoked), system })
    onTestFinished(() => served.dispose())
    const token = await served.token('ali')
    const device = createDevice('ali', 1)
    const ask = (path: string, init: RequestInit = {}) =>
      served.server.fetch(new Request(`http://test${path}`, { ...init, headers: { authorization: `Bearer ${token}` } }))
    const push = (record: string) => ask('/sync', { method: 'POST', body: requestText([device.create(record, lead)]) })
    const stream = await ask(`/poke?device=${device.id}`)
    let isOpen = true
    void stream.text().then(() => {
      isOpen = false
    })
    expect((await push('l1')).status).toBe(200)
    await pass(59_000)
    expect(isOpen).toBe(true)

    isRevoked = true
    const before = await served.server.store.horizon()
    const answers = [
      await push('l2'),
      await ask('/sync', { method: 'POST', body: requestText([]) }),
      await ask('/rescue', { method: 'POST', body: '{}' }),
      await ask(`/snapshot/${'0'.repeat(32)}/0`),
      await ask('/poke'),
    ]
    for (const answer of answers) {
      expect([answer.status, parseProblem(await answer.json())?.code]).toEqual([401, 'UNAUTHENTICATED'])
    }
    expect(await served.server.store.horizon()).toBe(before)
    await pass(60_000)
    expect(isOpen).toBe(false)
  })
})
