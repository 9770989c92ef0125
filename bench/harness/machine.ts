/** On what the figures were taken, in one line. */
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'

export interface Machine {
  readonly date: string
  readonly cores: number
  readonly cpu: string
  readonly memoryGiB: number
  readonly platform: string
  readonly node: string
  /** Mean of runnable processes over the minute before the start: above a few tenths, others were working too. */
  readonly load: number
}

export function describeMachine(): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    cores: availableParallelism(),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    load: Math.round((loadavg()[0] ?? 0) * 10) / 10,
  }
}

export function machineText(machine: Machine): string {
  const { date, cores, cpu, memoryGiB, platform, node, load } = machine
  return `${date}; ${cores} cores (${cpu}), ${memoryGiB} GiB, ${platform}, Node ${node}; load at the start ${load}`
}
