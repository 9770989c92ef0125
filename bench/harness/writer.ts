/** A device in another process, as another person's is: what it does takes nothing from the device that is watched. */
import { fork } from 'node:child_process'
import { afterBench } from './clean-up.ts'

export interface ToWrite {
  readonly lead: string
  readonly budget: number
}

/** `atMs`: when the call was made, since 1970 and with fractions. */
export type Told = { readonly atMs: number } | { readonly problem: string }

export interface Writer {
  /** Calls the write; resolves, when it is saved there, with the time of the call. */
  write(work: ToWrite): Promise<number>
  stop(): Promise<void>
}

/** Resolves when it has all rows. */
export async function startWriter(url: string, token: string): Promise<Writer> {
  const file = new URL('./writer.process.ts', import.meta.url)
  const child = fork(file, [url, token], { execArgv: ['-C', '@holdfast/source'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = () => {
    if (child.connected) child.disconnect()
    return exited
  }
  afterBench(stop)
  const told = () =>
    new Promise<number>((resolve, reject) => {
      child.once('message', (message: Told) =>
        'atMs' in message ? resolve(message.atMs) : reject(new Error(message.problem)),
      )
    })
  await Promise.race([
    told(),
    exited.then(() => {
      throw new Error('The writer ended before it had its rows.')
    }),
  ])
  return {
    stop,
    write: (work) => {
      const answer = told()
      child.send(work)
      return answer
    },
  }
}
