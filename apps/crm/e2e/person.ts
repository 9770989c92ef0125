/** A person at a browser of their own: its own process and profile. What the story says, in the words of the screen. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type BrowserContext, chromium, type Locator, type Page } from 'playwright'
import { findBrowser } from '../../../scripts/browser.ts'

/** A first sync of 100,000 leads on a busy machine of two cores. */
const firstSyncMsMax = 60_000
const arrivesMsMax = 15_000

export interface Person {
  readonly context: BrowserContext
  /** The tab in use. */
  page: Page
  close(): Promise<void>
}

export async function openBrowser(url: string): Promise<Person> {
  const profile = await mkdtemp(path.join(tmpdir(), 'holdfast-profile-'))
  const context = await chromium.launchPersistentContext(profile, {
    ...findBrowser(),
    headless: true,
    viewport: { width: 1280, height: 800 },
  })
  const page = context.pages()[0] ?? (await context.newPage())
  await page.goto(url)
  return {
    context,
    page,
    async close() {
      await context.close()
      await rm(profile, { recursive: true, force: true })
    },
  }
}

export async function signIn(person: Person, name: string, leads: string): Promise<void> {
  await person.page.getByRole('combobox', { name: 'Person' }).fill(name)
  await person.page.getByRole('button', { name: 'Sign in' }).click()
  await person.page.getByRole('status').filter({ hasText: leads }).waitFor({ timeout: firstSyncMsMax })
  await badge(person.page, 'Synced').waitFor({ timeout: firstSyncMsMax })
  // The shell is kept for offline use from here on.
  await person.page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
}

/** The sync badge in a given state. */
export function badge(page: Page, text: string | RegExp): Locator {
  return page.getByRole('button', { name: /^Sync: / }).filter({ hasText: text })
}

export async function createLead(page: Page, lead: { readonly name: string; readonly phone: string }): Promise<void> {
  await page.getByRole('link', { name: 'List' }).click()
  await page.getByRole('link', { name: 'New lead' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill(lead.name)
  await page.getByRole('textbox', { name: 'Phone' }).fill(lead.phone)
  await page.getByRole('button', { name: 'Save lead' }).click()
  await page.getByRole('heading', { name: lead.name }).waitFor()
}

export async function moveTo(page: Page, stage: string): Promise<void> {
  await page.getByRole('combobox', { name: 'Stage' }).selectOption({ label: stage })
}

export async function logCall(page: Page, note: string): Promise<void> {
  const form = page.getByRole('form', { name: 'Log a call' })
  await form.getByRole('combobox', { name: 'Outcome' }).selectOption({ label: 'Answered' })
  await form.getByRole('spinbutton', { name: 'Minutes' }).fill('3')
  await form.getByRole('textbox', { name: 'Call note' }).fill(note)
  await form.getByRole('button', { name: 'Log call' }).click()
  await page.getByRole('list', { name: 'Calls' }).getByText(note).waitFor()
}

/** Finds a lead by typing and opens it. */
export async function openLead(page: Page, typed: string, name: string): Promise<void> {
  await page.getByRole('link', { name: 'List' }).click()
  await page.getByRole('searchbox', { name: 'Search leads' }).fill(typed)
  await page.getByRole('grid', { name: 'Leads' }).getByRole('link', { name }).click({ timeout: arrivesMsMax })
  await page.getByRole('heading', { name }).waitFor()
}

export async function expectStage(page: Page, stage: string): Promise<void> {
  await page
    .getByRole('combobox', { name: 'Stage' })
    .locator('option:checked', { hasText: stage })
    .waitFor({ state: 'attached', timeout: arrivesMsMax })
}

export async function giveTo(page: Page, agent: string): Promise<void> {
  await page.getByRole('button', { name: 'Give to another agent' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('combobox', { name: 'Agent' }).fill(agent)
  await dialog.getByRole('button', { name: 'Give lead' }).click()
}

/** Ends a tab's process as the system would, without any of its farewells. */
export async function killTab(page: Page): Promise<void> {
  const gone = page.waitForEvent('crash')
  await page.goto('chrome://crash').catch(() => undefined)
  await gone
}
