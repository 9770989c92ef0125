/** Devices that speak the protocol and keep next to nothing, in a process of their own: hundreds of them on one machine. */
import { fork } from 'node:child_process'
import type { DeviceWork } from './burst-work.ts'
import { afterBench } from './clean-up.ts'

export interface BurstDevice {
  readonly user: string
  readonly token: string
  readonly url: string
}

/** What goes to the process. */
export type BurstCommand =
  | { readonly kind: 'connect'; readonly devices: readonly BurstDevice[] }
  | { readonly kind: 'prepare'; readonly work: readonly DeviceWork[] }
  | { readonly kind: 'go' }

/** From the first request to the last acknowledgement. */
export interface BurstReport {
  readonly ms: number
  readonly acknowledged: number
  /** Outcomes that are no success. */
  readonly refused: number
  readonly requests: number
  /** Requests by status, those that are no 200. */
  readonly statuses: { readonly [status: string]: number }
}

export interface BurstDevices {
  /** First sync of all: each device has what is its own. */
  connect(devices: readonly BurstDevice[]): Promise<void>
  /** All at once, each with its work as one request, sent again as long as it is not answered. */
  burst(work: readonly DeviceWork[]): Promise<BurstReport>
}

export function startBurstDevices(): BurstDevices {
  const child = fork(new URL('./burst-devices.process.ts', import.meta.url), [], {
    execArgv: ['-C', '@holdfast/source'],
  })
  afterBench(() => child.kill())
  const ask = (command: BurstCommand): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const fail = () => reject(new Error('The devices of the burst ended.'))
      child.once('exit', fail)
      child.once('message', (answer: unknown) => {
        child.off('exit', fail)
        resolve(answer)
      })
      child.send(command)
    })
  return {
    async connect(devices) {
      await ask({ kind: 'connect', devices })
    },
    async burst(work) {
      await ask({ kind: 'prepare', work })
      return (await ask({ kind: 'go' })) as BurstReport
    },
  }
}
