/**
 * Serves until the process is told to stop.
 *
 *   SIGTERM ─► /readyz says 503, streams end ─► HOLDFAST_DRAIN_SECONDS: requests are still taken, load balancers notice
 *           ─► no new requests, what is under way ends (at most HOLDFAST_STOP_SECONDS_MAX) ─► the store is closed ─► exit 0
 *   SIGINT     the same without the wait, for a person at a terminal
 *   again      ends at once: what was answered is on the disk, what was not is sent again by its device
 */
import { setTimeout } from 'node:timers/promises'
import type { Server } from '../create-server.ts'
import { type Serving, serve } from '../serve.ts'
import { nodeSystem } from '../system/node-system.ts'
import { startProblem } from './start-problem.ts'
import type { Configuration } from './variables.ts'

export async function serveUntilStopped(server: Server, configuration: Configuration): Promise<never> {
  const { HOLDFAST_PORT, HOLDFAST_HOST, HOLDFAST_ASSETS, HOLDFAST_ADMIN_PORT, HOLDFAST_ADMIN_HOST } = configuration
  // Heard from the first moment on: a signal while the store opens ends the process as soon as it has.
  const signal = nextSignal()
  const serving = await serve(server, {
    ...(HOLDFAST_PORT === null ? {} : { port: HOLDFAST_PORT }),
    ...(HOLDFAST_HOST === null ? {} : { host: HOLDFAST_HOST }),
    ...(HOLDFAST_ASSETS === null ? {} : { assets: HOLDFAST_ASSETS }),
    ...(HOLDFAST_ADMIN_PORT === null
      ? {}
      : {
          admin: { port: HOLDFAST_ADMIN_PORT, ...(HOLDFAST_ADMIN_HOST === null ? {} : { host: HOLDFAST_ADMIN_HOST }) },
        }),
  }).catch((error: unknown) => {
    throw startProblem(error, configuration)
  })
  tell({ msg: 'serving', url: serving.url, adminPort: serving.adminPort })
  const name = await signal
  tell({ msg: 'stopping', signal: name })
  server.drain()
  if (name === 'SIGTERM') await wait((configuration.HOLDFAST_DRAIN_SECONDS ?? 0) * 1000)
  const inTime = await isClosedWithin(serving, (configuration.HOLDFAST_STOP_SECONDS_MAX ?? 0) * 1000)
  tell({ msg: inTime ? 'stopped' : 'stopped before everything under way had ended' })
  // What is still under way would keep the process.
  process.exit(inTime ? 0 : 1)
}

type Signal = 'SIGTERM' | 'SIGINT'

function nextSignal(): Promise<Signal> {
  let isStopping = false
  return new Promise((resolve) => {
    const heard = (name: Signal) => () => {
      if (isStopping) process.exit(130)
      isStopping = true
      resolve(name)
    }
    process.on('SIGTERM', heard('SIGTERM'))
    process.on('SIGINT', heard('SIGINT'))
  })
}

function isClosedWithin(serving: Serving, ms: number): Promise<boolean> {
  return Promise.race([serving.close().then(() => true), wait(ms).then(() => false)])
}

function wait(ms: number): Promise<void> {
  return setTimeout(ms)
}

/** A line as the log has them. */
function tell(line: { readonly [member: string]: string | number | null }): void {
  console.log(JSON.stringify({ level: 30, time: nodeSystem.nowMs(), pid: process.pid, ...line }))
}
