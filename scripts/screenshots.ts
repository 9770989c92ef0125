// `npm run screenshots`: starts the demo with data of its own, drives it in Chromium and writes the pictures of docs/screenshots.
//   --url URL   uses a demo that is running already          --to DIR   writes them elsewhere

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startTcpProxy } from '@holdfast/testing'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright'
import { badge, createLead, logCall, moveTo, openLead } from '../apps/crm/e2e/person.ts'
import { apart, clashOfNotes, editLead, together } from '../apps/crm/e2e/two-people.ts'
import { findBrowser } from './browser.ts'

const root = path.dirname(import.meta.dirname)
const desktop = { width: 1280, height: 800 }
const phone = { width: 390, height: 844 }

const { values } = parseArgs({ options: { url: { type: 'string' }, to: { type: 'string' } } })
const pictures = path.resolve(root, values.to ?? 'docs/screenshots')
const temporary = mkdtempSync(path.join(tmpdir(), 'holdfast-screenshots-'))
const demo = values.url === undefined ? await startDemo(temporary) : { url: values.url, stop: async () => {} }
const browser = await chromium.launch(findBrowser())
try {
  mkdirSync(pictures, { recursive: true })
  await takeDesktop(browser, demo.url)
  await takePhone(browser, demo.url)
  await takeDecisions(browser, demo.url)
} finally {
  await browser.close()
  await demo.stop()
  rmSync(temporary, { recursive: true, force: true })
}

/** As the manager: all 100,000 leads. */
async function takeDesktop(browser: Browser, url: string): Promise<void> {
  const context = await browser.newContext({ viewport: desktop })
  const page = await context.newPage()
  await signIn(page, url, 'manager')
  await take(page, 'list-desktop-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.getByRole('link', { name: 'Board' }).click()
  await page.getByRole('region', { name: 'Won' }).getByRole('group').first().waitFor()
  await take(page, 'board-desktop-dark')
  await page.emulateMedia({ colorScheme: 'light' })
  await take(page, 'board-desktop-light')
  await page.getByRole('link', { name: 'List' }).click()
  await workOffline(context, page)
  await take(page, 'lead-desktop-light')
  await page.getByRole('button', { name: /^Sync:/ }).click()
  await page.getByRole('list', { name: 'Waiting' }).waitFor()
  await take(page, 'sync-desktop-light')
  await context.close()
}

/** As an agent: some 500 leads. */
async function takePhone(browser: Browser, url: string): Promise<void> {
  const context = await browser.newContext({ viewport: phone, isMobile: true, hasTouch: true })
  const page = await context.newPage()
  await signIn(page, url, 'agent-7')
  await take(page, 'list-phone-light')
  await page.getByRole('link', { name: 'New lead' }).click()
  await page.getByRole('textbox', { name: 'Name' }).waitFor()
  await take(page, 'new-phone-light')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.getByRole('link', { name: 'Board' }).click()
  await page.getByRole('region', { name: 'New' }).getByRole('group').first().waitFor()
  await take(page, 'board-phone-dark')
  await page.getByRole('link', { name: 'List' }).click()
  await workOffline(context, page)
  await take(page, 'lead-phone-dark')
  await page.getByRole('button', { name: /^Sync:/ }).click()
  await page.getByRole('list', { name: 'Waiting' }).waitFor()
  await take(page, 'sync-phone-dark')
  await context.close()
}

/** What two people changed without knowing of each other, and what the server refused: as the agent who wrote it. */
async function takeDecisions(browser: Browser, url: string): Promise<void> {
  const network = await startTcpProxy({ target: Number(new URL(url).port) })
  const there = `http://localhost:${network.port}`
  const agent = await browser.newContext({ viewport: desktop })
  const manager = await browser.newContext({ viewport: desktop })
  const [page, other] = [await agent.newPage(), await manager.newPage()]
  await signIn(page, there, 'agent-7')
  await signIn(other, there, 'manager')
  const pair = { network, first: other, second: page }
  const lead = { name: 'Farida Shawky', phone: `+20 100 555 ${String(Date.now()).slice(-4)}` }
  await createLead(page, lead)
  await editLead(page, 'Notes', 'Wants three bedrooms near the school. Prefers the ground floor.')
  await badge(page, /^Synced$/).waitFor()
  await openLead(other, lead.phone.replaceAll(' ', '').slice(-7), lead.name)
  await apart(pair)
  await moveTo(other, 'Negotiation')
  await moveTo(page, 'Visit')
  await together(pair)
  await badge(page, /^Synced$/).waitFor()
  await clashOfNotes(pair, {
    first: 'Wants three bedrooms near the school. Prefers a high floor with a lift.',
    second: 'Wants three bedrooms near the school. Prefers the ground floor with a garden.',
  })
  await takeAllLooks(page, 'history', page.getByRole('list', { name: 'Decisions' }))
  await page.getByRole('link', { name: 'Decide' }).click()
  const notes = page.getByRole('group', { name: 'Notes' })
  await notes.getByRole('radio', { name: /Yours/ }).click()
  await takeAllLooks(page, 'merge')
  await page.getByRole('button', { name: 'Decide later' }).click()
  await badge(page, 'to decide').click()
  await page.getByRole('link', { name: 'needs your decision' }).click()
  await page.getByRole('list', { name: 'Conflicts' }).waitFor()
  await takeAllLooks(page, 'conflicts')

  network.cut()
  await badge(page, 'Offline').waitFor()
  await page.getByRole('link', { name: 'List' }).click()
  await page.getByRole('link', { name: 'New lead' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('Karim Nabil')
  await page.getByRole('spinbutton', { name: 'Budget' }).fill('72500000')
  await page.getByRole('button', { name: 'Save lead' }).click()
  await logCall(page, 'Asked for the floor plan')
  network.restore()
  await badge(page, 'refused').click()
  await page.getByRole('list', { name: 'Refused' }).waitFor()
  await take(page, 'sync-refused-desktop-light')
  await page.getByRole('dialog').getByRole('link', { name: 'See what can be done' }).click()
  await page.getByText('And 1 change that hangs on it').waitFor()
  await takeAllLooks(page, 'inbox')
  await page.getByRole('button', { name: 'Fix' }).first().click()
  await page.getByRole('spinbutton', { name: 'Budget' }).waitFor()
  await page.setViewportSize(phone)
  await page.getByText('is entered by a manager').scrollIntoViewIfNeeded()
  await take(page, 'fix-phone-light')
  await agent.close()
  await manager.close()
  await network.close()
}

/** On a desktop and on a phone, light and dark. */
async function takeAllLooks(page: Page, name: string, inView = page.locator('main')): Promise<void> {
  for (const [size, viewport] of [
    ['phone', phone],
    ['desktop', desktop],
  ] as const) {
    await page.setViewportSize(viewport)
    for (const colorScheme of ['dark', 'light'] as const) {
      await page.emulateMedia({ colorScheme })
      await inView.scrollIntoViewIfNeeded()
      await take(page, `${name}-${size}-${colorScheme}`)
    }
  }
}

async function signIn(page: Page, url: string, user: string): Promise<void> {
  await page.goto(url)
  await page.getByRole('combobox', { name: 'Person' }).fill(user)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('button', { name: 'Sync: Synced' }).waitFor({ timeout: 120_000 })
  await page.getByRole('grid', { name: 'Leads' }).getByRole('link').first().waitFor()
}

/** The second lead of the list, without a network: some fields changed, a visit, a call. */
async function workOffline(context: BrowserContext, page: Page): Promise<void> {
  await context.setOffline(true)
  await page.getByRole('grid', { name: 'Leads' }).getByRole('link').nth(1).click()
  await page.getByRole('combobox', { name: 'Stage' }).selectOption('negotiation')
  await page.getByRole('button', { name: 'Add visit' }).click()
  await page.getByRole('spinbutton', { name: 'Minutes' }).fill('4')
  await page.getByRole('textbox', { name: 'Call note' }).fill('Asked for the floor plan, wants to see it on Saturday')
  await page.getByRole('button', { name: 'Log call' }).click()
  await page.getByRole('list', { name: 'Calls' }).waitFor()
  await page.getByRole('button', { name: /^Sync: Offline/ }).waitFor()
  await page.getByRole('link', { name: 'Leads', exact: true }).scrollIntoViewIfNeeded()
}

async function take(page: Page, name: string): Promise<void> {
  await page.mouse.move(0, 0) // No row or button looks hovered.
  await page.evaluate(() => document.fonts.ready)
  await page.waitForTimeout(400) // Nothing tells that the last paint is over.
  await page.screenshot({ path: path.join(pictures, `${name}.png`), animations: 'disabled' })
  console.log(`docs/screenshots/${name}.png`)
}

interface Demo {
  readonly url: string
  stop(): Promise<void>
}

function startDemo(data: string): Promise<Demo> {
  const child = spawn(process.execPath, ['-C', '@holdfast/source', 'scripts/demo.ts', '--data', data], {
    cwd: root,
    env: { ...process.env, PORT: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise((resolve, reject) => {
    let said = ''
    child.once('exit', (code) => reject(new Error(`The demo ended with ${code}.`)))
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const url = /http:\/\/\S+/.exec(said)?.[0]
      if (url !== undefined) resolve({ url, stop: () => stopped(child) })
    })
  })
}

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
  })
}
