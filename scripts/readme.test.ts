/** The README's program is run as it stands there, in a folder of its own, by the Node that users have. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = path.dirname(import.meta.dirname)
const program = /```ts\n([\s\S]*?)```/.exec(readFileSync(path.join(root, 'README.md'), 'utf8'))?.[1] ?? ''

test('[I-11] the README’s program of at most 15 lines runs: the second client reads what the first wrote', async () => {
  expect(program.trim().split('\n').length).toBeLessThanOrEqual(15)
  // Inside the repository, so that imports are found; not in node_modules, where Node does not strip types.
  mkdirSync(path.join(root, '.data'), { recursive: true })
  const folder = mkdtempSync(path.join(root, '.data/readme-'))
  try {
    const ending = "\nawait phone.close()\nawait tablet.close()\nawait close()\nconsole.log('done', id.length)\n"
    writeFileSync(path.join(folder, 'program.ts'), program + ending)
    const { stdout } = await promisify(execFile)('node', ['-C', '@holdfast/source', 'program.ts'], {
      cwd: folder,
      timeout: 20_000,
    })
    expect(stdout).toContain('done 36')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}, 30_000)
