import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type Operation, parseSyncReply } from '@holdfast/core'
import { SignJWT } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { createDevice, requestText, secret, unit } from './server.test.kit.ts'

const kills = 20
const batchesPerLife = 4

test.each<{ readonly moment: 'before' | 'after' }>([{ moment: 'before' }, { moment: 'after' }])(
  `[I-3] [I-5] [I-6] the server is killed with SIGKILL $moment its commit, ${kills} times: nothing is lost, nothing counts twice`,
  async ({ moment }) => {
    const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-kill-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const device = createDevice('ali', 1)
    const token = await new SignJWT({})
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject('ali')
      .setExpirationTime('1h')
      .sign(secret)
    /** The first answer to each batch. */
    const answered: { readonly batch: readonly Operation[]; readonly outcomes: string }[] = []
    const expected = new Map<string, { readonly version: number; readonly visits: number }>()
    let pending: readonly Operation[] = []

    const batchFor = (index: number): readonly Operation[] => {
      const [id, other] = [`a${index}`, `b${index}`]
      expected.set(id, { version: 4, visits: 3 })
      expected.set(other, { version: 1, visits: 0 })
      return [
        device.create(id, { owner: 'ali', name: id }),
        device.increment(id, { visits: 1 }),
        ...unit(device.increment(id, { visits: 2 }), device.create(other, { owner: 'ali', name: other })),
        device.update(id, { stage: 'won' }),
        device.update(id, { budget: -1 }),
      ]
    }

    for (let life = 0; life <= kills; life += 1) {
      const server = await start(directory, life === kills ? 'never' : moment, 1 + (life % batchesPerLife))
      for (let index = 0; index < batchesPerLife; index += 1) {
        if (pending.length === 0) pending = batchFor(life * batchesPerLife + index)
        const outcomes = await send(server.port, token, pending)
        if (outcomes === null) break
        answered.push({ batch: pending, outcomes })
        pending = []
      }
      if (life < kills) {
        await server.gone
        expect(pending.length).toBeGreaterThan(0)
        continue
      }
      // What was answered in any life is answered again, byte for byte.
      for (const { batch, outcomes } of answered) expect(await send(server.port, token, batch)).toBe(outcomes)
      server.child.kill('SIGKILL')
      await server.gone
    }

    const database = new DatabaseSync(path.join(directory, 'holdfast.db'))
    onTestFinished(() => database.close())
    expect(database.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' })
    const rows = database
      .prepare('select l.id, s.version, l.visits from leads l join _sidecar_leads s using (id)')
      .all()
    expect(new Map(rows.map(({ id, version, visits }) => [id, { version, visits }]))).toEqual(expected)
    const feed = database.prepare("select record, version from _feed where scope = 'all' and state = 'present'").all()
    expect(new Map(feed.map(({ record, version }) => [record, version]))).toEqual(
      new Map([...expected].map(([id, { version }]) => [id, version])),
    )
    const stored = database.prepare('select id from _operations order by id').all()
    const sent = answered.flatMap(({ batch }) => batch.map(({ id }) => id)).sort()
    expect(stored.map(({ id }) => id)).toEqual(sent)
  },
  120_000,
)

interface Life {
  readonly child: ChildProcess
  readonly port: number
  readonly gone: Promise<unknown>
}

async function start(directory: string, moment: string, nth: number): Promise<Life> {
  const program = path.join(import.meta.dirname, 'server.test.process.ts')
  const child = spawn(process.execPath, ['-C', '@holdfast/source', program, directory, moment, String(nth)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const gone = once(child, 'exit')
  const [line] = await Promise.race([once(child.stdout, 'data'), gone.then(() => [''])])
  const port = Number(String(line))
  if (!(port > 0)) throw new Error('The server did not start: a killed one left something behind.')
  return { child, port, gone }
}

/** The text of the outcomes; null when the server died. */
async function send(port: number, token: string, batch: readonly Operation[]): Promise<string | null> {
  try {
    const response = await fetch(`http://127.0.0.1:${port}/sync`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: requestText(batch),
    })
    const text = await response.text()
    expect(response.status).toBe(200)
    const { outcomes } = parseSyncReply(JSON.parse(text))
    expect(outcomes.map(({ kind }) => kind)).toEqual([...Array(5).fill('applied'), 'rejected'])
    return /"outcomes":\[.*?\](?=,"changes"|\}$)/s.exec(text)?.[0] ?? ''
  } catch (error) {
    if (error instanceof TypeError) return null
    throw error
  }
}
