/** A program of Node in a process of its own, of which a test reads the lines and takes the life. */
import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'

export interface Program {
  readonly child: ChildProcess
  /** Every line so far, of both outputs. */
  readonly lines: readonly string[]
  /** Resolves with the first line that fits, the ones before included; rejects when the program ends without it. */
  line(pattern: RegExp): Promise<RegExpExecArray>
  /** Resolves when it has ended and everything that it said was read: its code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
}

/** Compiled once for the many starts of a test of kills. */
const compiled = path.join(tmpdir(), 'holdfast-compiled')

export interface ProgramOptions {
  readonly cwd?: string
  readonly env?: { readonly [name: string]: string }
}

export function startProgram(file: string, args: readonly string[], options: ProgramOptions = {}): Program {
  const child = spawn(process.execPath, ['-C', '@holdfast/source', file, ...args], {
    cwd: options.cwd ?? process.cwd(),
    env: { ...process.env, NODE_COMPILE_CACHE: compiled, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const listeners = new Set<() => void>()
  for (const output of [child.stdout, child.stderr]) {
    createInterface(output).on('line', (line) => {
      lines.push(line)
      for (const listener of [...listeners]) listener()
    })
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve) => {
    child.once('close', (code, signal) => resolve(signal ?? code ?? 1))
  })
  return {
    child,
    lines,
    ended,
    line(pattern) {
      return new Promise((resolve, reject) => {
        const look = () => {
          for (const line of lines) {
            const found = pattern.exec(line)
            if (found === null) continue
            listeners.delete(look)
            return resolve(found)
          }
        }
        listeners.add(look)
        look()
        void ended.then((end) => reject(new Error(`${file} ended with ${end}:\n${lines.join('\n')}`)))
      })
    },
  }
}
