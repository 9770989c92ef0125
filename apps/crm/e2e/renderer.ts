/** The process of a tab, and its end by the system's own means. */
import { type BrowserContext, type CDPSession, errors, type Page } from 'playwright'

/** The id of the process in which a page runs: the renderer that works while the page works. */
export async function rendererOf(context: BrowserContext, page: Page): Promise<number> {
  const session = await context.browser()?.newBrowserCDPSession()
  if (session === undefined) throw new Error('The browser gives no session.')
  try {
    // On a busy machine a short while of work may not show.
    for (const workMs of [200, 400, 800, 1_600]) {
      const before = await cpuTimes(session)
      await page.evaluate((untilMs) => {
        const startMs = performance.now()
        while (performance.now() - startMs < untilMs);
      }, workMs)
      const worked = [...(await cpuTimes(session))]
        .map(([id, seconds]) => ({ id, seconds: seconds - (before.get(id) ?? 0) }))
        .sort((a, b) => b.seconds - a.seconds)
      const [most, next] = worked
      if (most !== undefined && most.seconds > 0.1 && most.seconds > 2 * (next?.seconds ?? 0)) return most.id
    }
    throw new Error('No renderer works for this page.')
  } finally {
    await session.detach()
  }
}

async function cpuTimes(session: CDPSession): Promise<ReadonlyMap<number, number>> {
  const { processInfo } = await session.send('SystemInfo.getProcessInfo')
  return new Map(processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]))
}

/** `kill -9`. The page is of no use afterwards. */
export async function killRenderer(page: Page, renderer: number): Promise<void> {
  const crashed = page.waitForEvent('crash', { timeout: 10_000 })
  process.kill(renderer, 'SIGKILL')
  await crashed
  await page.close().catch((error) => {
    if (!(error instanceof errors.TimeoutError)) throw error
  })
}
