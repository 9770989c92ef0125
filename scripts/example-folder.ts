/** A folder for the programs of a guide, in which they are compiled and run as an app of one's own would be. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'

export interface ExampleFolder {
  readonly path: string
  /** What the compiler finds wrong; '' when nothing is. */
  problems(): Promise<string>
  /** What a program prints. Throws where it fails, or takes longer than 50 s. */
  run(file: string, environment?: { readonly [name: string]: string }): Promise<string>
  remove(): void
}

const root = path.dirname(import.meta.dirname)
const execute = promisify(execFile)

/** @param files texts by name. `types`: those that the programs need besides what they import. */
export function createExampleFolder(
  name: string,
  files: { readonly [file: string]: string },
  types: readonly string[] = ['node'],
): ExampleFolder {
  // Inside the repository, so that imports are found; not in node_modules, where Node does not strip types.
  mkdirSync(path.join(root, '.data'), { recursive: true })
  const folder = mkdtempSync(path.join(root, `.data/${name}-`))
  const config = {
    extends: '../../tsconfig.base.json',
    compilerOptions: { noEmit: true, incremental: false, module: 'preserve', moduleResolution: 'bundler', types },
    include: ['*.ts', '*.tsx'],
  }
  const all = { ...files, 'tsconfig.json': JSON.stringify(config), 'package.json': '{ "type": "module" }' }
  for (const [file, text] of Object.entries(all)) writeFileSync(path.join(folder, file), text)
  return {
    path: folder,
    problems: async () => {
      const checked = execute('npx', ['tsc', '-p', folder], { cwd: root })
      return (await checked.catch((error: { readonly stdout: string }) => error)).stdout
    },
    run: async (file, environment = {}) => {
      const options = { cwd: folder, env: { ...process.env, ...environment }, timeout: 50_000 }
      return (await execute('node', ['-C', '@holdfast/source', file], options)).stdout
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
