/** Real Chromium with a profile on disk, so that the origin's files are real files. */
import path from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright'
import { findBrowser } from '../../scripts/browser.ts'
import { afterBench } from './clean-up.ts'
import { scratchDirectory } from './scratch.ts'

export interface BenchBrowser {
  newPage(url: string): Promise<Page>
  /** Ends the process and starts another on the same profile; `between` is called when none runs. */
  restart(between: () => void): Promise<void>
  readonly profile: string
}

/** A first sync on a busy machine may take long; a bench that hangs must still end. */
const callMsMax = 300_000

export async function startBrowser(): Promise<BenchBrowser> {
  const profile = path.join(scratchDirectory('browser'), 'profile')
  let context = await launch(profile)
  afterBench(() => context.close())
  return {
    profile,
    async newPage(url) {
      const page = await context.newPage()
      page.setDefaultTimeout(callMsMax)
      page.on('pageerror', (error) => console.error('The page threw:', error))
      page.on('console', (message) => message.type() === 'error' && console.error('The page says:', message.text()))
      await page.goto(url)
      return page
    },
    async restart(between) {
      await context.close()
      between()
      context = await launch(profile)
    },
  }
}

function launch(profile: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(profile, { ...findBrowser(), headless: true })
}
