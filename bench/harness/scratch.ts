/** Directories on a real disk that go when the bench has ended. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterBench } from './clean-up.ts'

export function scratchDirectory(name: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), `holdfast-bench-${name}-`))
  afterBench(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  return directory
}
