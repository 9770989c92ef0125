import { spawnSync } from 'node:child_process'
import type { Page } from 'playwright'
import type { BenchOptions, Line, Result } from './harness/bench.ts'
import { type BrowserSetup, identityOf, loadRaw, rawDirectory, setUpBrowser } from './harness/browser-setup.ts'
import { figure } from './harness/measure.ts'
import { type ColdTimes, identityKey, rawDirectoryKey } from './page/cold.ts'

export const name = 'cold-start-browser'
export const question =
  'From navigation to the first list on screen, and to the list from the database, with 100,000 rows on disk.'

const databaseRatioMax = 1.3
const kinds = ['raw', 'ours', 'dexie'] as const
type Kind = (typeof kinds)[number]
type Times = { readonly [K in Kind]: ColdTimes[] }

export async function run(options: BenchOptions): Promise<Result> {
  const setup = await setUpBrowser(options)
  await fill(setup, options)
  options.log('reloads')
  const reloads = await measureReloads(setup, options.isQuick ? 3 : 7)
  options.log('browser restarts')
  const restarts = await measureRestarts(setup, options.isQuick ? 1 : 3)
  return {
    lines: [
      databaseLine('reload, list from the database', reloads),
      listLine('reload, first list', reloads),
      databaseLine('restart, list from the database', restarts),
      listLine('restart, first list', restarts),
    ],
    notes: [
      'The limit of the database: a bare worker opens the same rows and answers the same list. The first list is set beside Dexie 4.4.7, whose database answers it; ours paints what the screen showed last.',
      'Ours and Dexie are React pages; the limit puts the names into the page by hand. No service worker; files come from the server with the HTTP cache allowed.',
      'Restart: a new Chromium on the same profile, whose files were dropped from the page cache first (dd iflag=nocache).',
    ],
  }
}

/** All three databases in one profile, closed again. */
async function fill(setup: BrowserSetup, { log }: BenchOptions): Promise<void> {
  const identity = await identityOf('manager')
  const page = await setup.browser.newPage(setup.url)
  log('loading the limit')
  await loadRaw(page, setup)
  log('first sync of ours')
  await page.evaluate((who) => holdfastBench.ours.open(who), identity)
  await page.evaluate(() => holdfastBench.ours.close())
  log('loading Dexie')
  await page.evaluate((url) => holdfastBench.dexie.load(url), setup.files.rowsUrl)
  await page.evaluate(
    ([identityName, identityText, rawName, directory]) => {
      localStorage.setItem(identityName, identityText)
      localStorage.setItem(rawName, directory)
    },
    [identityKey, JSON.stringify(identity), rawDirectoryKey, rawDirectory] as const,
  )
  await page.close()
}

async function measureReloads({ browser, url }: BrowserSetup, runs: number): Promise<Times> {
  const times = noTimes()
  const pages: [Kind, Page][] = []
  for (const kind of kinds) {
    const page = await browser.newPage(pageUrl(url, kind))
    await coldTimes(page)
    await page.waitForTimeout(rememberMs)
    pages.push([kind, page])
  }
  for (let run = 0; run < runs; run += 1) {
    for (const [kind, page] of pages) {
      await page.reload()
      times[kind].push(await coldTimes(page))
      await page.waitForTimeout(rememberMs)
    }
  }
  for (const [, page] of pages) await page.close()
  return times
}

async function measureRestarts({ browser, url }: BrowserSetup, runs: number): Promise<Times> {
  const times = noTimes()
  for (let run = 0; run < runs; run += 1) {
    for (const kind of kinds) {
      await browser.restart(() => dropFromPageCache(browser.profile))
      const page = await browser.newPage(pageUrl(url, kind))
      times[kind].push(await coldTimes(page))
      await page.waitForTimeout(rememberMs)
    }
  }
  return times
}

/** The answers of the screen are saved a moment after they were shown. */
const rememberMs = 1_000

function coldTimes(page: Page): Promise<ColdTimes> {
  return page.evaluate(() => holdfastCold)
}

function pageUrl(url: string, kind: Kind): string {
  return `${url}/cold-${kind}.html`
}

function noTimes(): Times {
  return { raw: [], ours: [], dexie: [] }
}

function databaseLine(lineName: string, { ours, raw }: Times): Line {
  return {
    name: lineName,
    unit: 'ms',
    ours: figure(ours.map((times) => times.databaseMs)),
    limit: figure(raw.map((times) => times.databaseMs)),
    target: { kind: 'ratio', max: databaseRatioMax },
  }
}

function listLine(lineName: string, { ours, dexie }: Times): Line {
  return {
    name: lineName,
    unit: 'ms',
    ours: figure(ours.map((times) => times.listMs)),
    limit: figure(dexie.map((times) => times.listMs)),
    limitName: 'Dexie',
    target: { kind: 'ratio', max: 1 },
  }
}

// Linux only; elsewhere a restart is measured with a warm page cache.
function dropFromPageCache(directory: string): void {
  spawnSync('sh', ['-c', 'sync; find "$0" -type f -exec dd if={} iflag=nocache count=0 status=none \\;', directory])
}
