import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { nodeSqlite } from './node-sqlite.ts'

const writer = fileURLToPath(new URL('./node-sqlite.test.writer.ts', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'holdfast-'))
afterAll(() => rmSync(folder, { recursive: true }))

const killCount = 10

// The moments are spread over the first 100 commits or so and the first checkpoints after them.
const killAfterRows = (kill: number) => 1 + kill * kill * 20

test(`[D2, D3] ${killCount} kills in mid-writing lose no committed row`, { timeout: 60_000 }, async () => {
  const path = join(folder, 'replica.db')
  let said = 0
  for (let kill = 0; kill < killCount; kill += 1) {
    const before = said
    said = await writeUntilKilled(path, before + killAfterRows(kill))
    const driver = await nodeSqlite(path)()
    const [[count, last] = []] = driver.all('select count(*), max(n) from numbers')
    expect(count).toBe(last) // No gap.
    // The last one may have been committed and not yet said when the process died; nothing else may be there.
    expect(Number(last) - said).toBeOneOf([0, 1])
    expect(
      driver.all('select count(*) from numbers where filler <> ? || (n + 1) and n < ?', ['again ', last ?? 0]),
    ).toEqual([[0]])
    expect(driver.all('pragma integrity_check')).toEqual([['ok']])
    driver.close()
    expect(said).toBeGreaterThan(before)
  }
})

/** Kills the writer with SIGKILL once it said `rowsMin`, and answers the last number that it said. */
async function writeUntilKilled(path: string, rowsMin: number): Promise<number> {
  const child = spawn(process.execPath, ['-C', '@holdfast/source', writer, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-100)
    if (lastNumber(output) >= rowsMin) child.kill('SIGKILL')
  })
  await once(child, 'close')
  return lastNumber(output)
}

/** Of whole lines: the last may be cut short. */
function lastNumber(output: string): number {
  return Number(output.slice(0, output.lastIndexOf('\n')).split('\n').at(-1) ?? 0)
}
