/** What every browser bench stands on: the real server on seeded data, the built page in Chromium, the bytes of the limits. */
import type { Page } from 'playwright'
import type { Identity } from '../page/open-ours.ts'
import type { ListQuery, Target } from '../page/page-bench.ts'
import { deviceRow } from '../raw/device-rows.ts'
import { type Lead, leads, random } from '../workload.ts'
import type { BenchOptions } from './bench.ts'
import { type BenchBrowser, startBrowser } from './browser.ts'
import { buildPage } from './build-page.ts'
import { type Files, serveFiles } from './files.ts'
import { startServer, tokenOf } from './server.ts'
import { seedEmbedded } from './stores.ts'
import '../page/page-bench.ts'

export interface BrowserSetup {
  readonly browser: BenchBrowser
  /** Where the page and its server are. */
  readonly url: string
  readonly files: Files
  readonly rows: readonly Lead[]
}

export const rawDirectory = 'bench-raw'

export async function setUpBrowser({ isQuick, log }: BenchOptions): Promise<BrowserSetup> {
  const rows = leads(isQuick ? 5_000 : 100_000)
  log('building the page')
  const assets = await buildPage()
  log('seeding')
  const store = await seedEmbedded(rows)
  const server = await startServer(await store.copy('served'), assets)
  const files = await serveFiles(rows.map(deviceRow))
  return { browser: await startBrowser(), url: server.url, files, rows }
}

/** A page in which both hold all rows and wait for calls; sync is paused, so that a call is measured alone. */
export async function openBoth(setup: BrowserSetup, { log }: BenchOptions): Promise<Page> {
  const page = await setup.browser.newPage(setup.url)
  log('loading the limit')
  await loadRaw(page, setup)
  await page.evaluate((directory) => holdfastBench.raw.open(directory), rawDirectory)
  log('first sync of ours')
  await page.evaluate((who) => holdfastBench.ours.open(who), await identityOf('manager'))
  await page.evaluate(() => holdfastBench.ours.pause())
  return page
}

export async function loadRaw(page: Page, { files }: BrowserSetup): Promise<void> {
  const source = { directory: rawDirectory, rowsUrl: files.rowsUrl }
  await page.evaluate(({ directory, rowsUrl }) => holdfastBench.raw.firstSyncByRows(directory, rowsUrl), source)
}

export async function identityOf(user: string): Promise<Identity> {
  return { user, token: await tokenOf(user) }
}

/**
 * Leads to write, each to a stage that it is not in, the same for limit and ours. No lead comes twice in a bench: a second write
 * of the same value would change nothing.
 */
export function targetsOf(rows: readonly Lead[], count: number, block: number): readonly Target[] {
  const next = random(1_000 + block)
  return Array.from({ length: count }, (_, index) => {
    const { id, owner, stage } = leadAt(rows, block * count + index)
    return { id, owner, stage: otherStage(stage, next) }
  })
}

export function queriesOf(rows: readonly Lead[], count: number, block: number): readonly ListQuery[] {
  return Array.from({ length: count }, (_, index) => {
    const { owner, stage } = leadAt(rows, block * count + index)
    return { owner, stage }
  })
}

/** A prime that divides no number of rows: its multiples meet every lead once, far from the one before. */
const stride = 7_919

function leadAt(rows: readonly Lead[], position: number): Lead {
  const lead = rows[(position * stride) % rows.length]
  if (lead === undefined) throw new Error('There are no leads.')
  return lead
}

const stages = ['new', 'contacted', 'qualified', 'visit', 'negotiation', 'reserved', 'won', 'lost']

function otherStage(stage: string, next: () => number): string {
  const others = stages.filter((other) => other !== stage)
  return others[Math.floor(next() * others.length)] ?? 'won'
}
