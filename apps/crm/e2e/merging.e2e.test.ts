/** Two people work on one lead without a network: what merges by itself, what is asked, and how a person decides. */
import type { Locator, Page } from 'playwright'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type DemoServer, startDemoServer } from './demo-server.ts'
import { badge, createLead, expectStage, moveTo, openBrowser, openLead, type Person, signIn } from './person.ts'
import { apart, clashOfNotes, editLead, type Pair, together } from './two-people.ts'

let server: DemoServer
let agent: Person
let manager: Person
let number = 0

beforeAll(async () => {
  server = await startDemoServer({ kind: 'sqlite' }, 400)
  agent = await openBrowser(server.url)
  manager = await openBrowser(server.url)
  await signIn(agent, 'agent-7', ' leads')
  await signIn(manager, 'manager', '400 leads')
})

afterAll(async () => {
  await agent?.close()
  await manager?.close()
  await server?.stop()
})

interface Met {
  readonly name: string
}

/** A lead of its own for each test, open on both screens. */
let lead: Met

beforeEach(async () => {
  number += 1
  const phone = `+20 100 777 01${String(number).padStart(2, '0')}`
  lead = { name: `Merge Story ${number}` }
  await createLead(agent.page, { name: lead.name, phone })
  await badge(agent.page, /^Synced$/).waitFor()
  const last = phone.replaceAll(' ', '').slice(-7)
  await openLead(manager.page, last, lead.name)
})

test('[I-19] [C1] [C7] stage merges by the later write, visits add up, different fields are both kept: nobody is asked', async () => {
  await apart(pair())
  await moveTo(manager.page, 'Visit')
  await manager.page.getByRole('button', { name: 'Add visit' }).click()
  await manager.page.getByRole('button', { name: 'Add visit' }).click()
  await moveTo(agent.page, 'Won')
  await agent.page.getByRole('button', { name: 'Add visit' }).click()
  await editLead(agent.page, 'Email', 'merge.story@example.com')
  await together(pair())
  for (const { page } of [agent, manager]) {
    await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
    await expectStage(page, 'Won')
    await fact(page, 'Visits', '3')
    await fact(page, 'Email', 'merge.story@example.com')
  }
  // What did not stand is not lost: it is in the history of both, and comes back by one action.
  await decision(manager.page, /Stage: .*Won of .* was kept over your Visit of .*: it was written later/).waitFor()
  await decision(agent.page, /Stage: Your Won of .* was kept over .*Visit/).waitFor()
  await manager.page.getByRole('button', { name: 'Put back your Visit' }).click()
  await expectStage(agent.page, 'Visit')
  await manager.page.getByRole('region', { name: 'History' }).getByRole('button', { name: 'Undo' }).click()
  await expectStage(agent.page, 'Won')
})

test('[C9] a deletion stands over a change that it did not know of; the change is in the history, and puts the lead back', async () => {
  await apart(pair())
  await moveTo(manager.page, 'Negotiation')
  const url = agent.page.url()
  await agent.page.getByRole('button', { name: 'Delete lead' }).click()
  await together(pair())
  await manager.page.getByRole('heading', { name: 'Not on this device' }).waitFor({ timeout: 30_000 })
  await agent.page.goto(url)
  await decision(
    agent.page,
    /Your deletion of .* was kept over Nadia Fahmy’s change of .*: a deletion counts more here/,
  ).waitFor()
  await agent.page.getByRole('button', { name: 'Put back Nadia Fahmy’s change' }).click()
  for (const { page } of [agent, manager]) await expectStage(page, 'Negotiation')
})

test('[C5] notes of two people are both kept, work goes on, and a third text is typed by mouse', async () => {
  await notesClash('wants a garden', 'wants a roof')
  await badge(agent.page, '1 to decide').click()
  await agent.page.getByRole('dialog', { name: 'Sync' }).getByRole('link', { name: '1 needs your decision' }).click()
  const card = agent.page.getByRole('list', { name: 'Conflicts' }).getByRole('listitem').filter({ hasText: lead.name })
  await card.getByRole('link', { name: /^Decide/ }).click()

  const row = agent.page.getByRole('group', { name: 'Notes' })
  await row.getByRole('radio', { name: /Yours.*wants a garden/ }).waitFor()
  await row.getByRole('radio', { name: /Nadia Fahmy.*wants a roof/ }).waitFor()
  expect(await row.getByRole('radio', { checked: true }).count()).toBe(0)
  expect(await save(agent.page).isDisabled()).toBe(true)
  await row.getByRole('radio', { name: /Yours/ }).click()
  await row.getByRole('textbox', { name: 'Result for Notes' }).fill('wants a garden and a roof')
  // What was typed outlives a reload and "Decide later" [MD4].
  await agent.page.reload()
  await expectResult(row, 'wants a garden and a roof')
  await agent.page.getByRole('button', { name: 'Decide later' }).click()
  await agent.page.getByRole('link', { name: 'Decide', exact: true }).click()
  await expectResult(row, 'wants a garden and a roof')
  await save(agent.page).click()

  const heading = agent.page.getByRole('heading', { name: lead.name, exact: true })
  await heading.waitFor()
  const toast = agent.page.getByRole('status').filter({ hasText: 'Decision saved' })
  await toast.waitFor()
  expect(await toast.getByRole('button', { name: 'Undo' }).count()).toBe(0)
  await agent.page.waitForTimeout(300) // Until all that follows the decision has been painted.
  expect(await heading.evaluate((element) => element === document.activeElement)).toBe(true)
  for (const { page } of [agent, manager]) {
    await fact(page, 'Notes', 'wants a garden and a roof')
    await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
  }
  await decision(manager.page, /Notes: .*wants a garden.*wants a roof.*became.*: .* decided/).waitFor()
})

test('[C5] by keyboard only; the other side changes meanwhile, asks again and keeps what was typed', async () => {
  await notesClash('calls back on Monday', 'calls back on Tuesday')
  const { page } = agent
  await page.getByRole('link', { name: 'Decide' }).focus()
  await page.keyboard.press('Enter')
  const row = page.getByRole('group', { name: 'Notes' })
  await row.waitFor()
  await tabTo(page, row.getByRole('radio', { name: /Yours/ }))
  await page.keyboard.press('Space')
  await tabTo(page, row.getByRole('textbox', { name: 'Result for Notes' }))
  await page.keyboard.press('Control+End')
  await page.keyboard.type(', or Tuesday')
  expect(await save(page).isDisabled()).toBe(false)

  await editLead(manager.page, 'Notes', 'calls back on Wednesday')
  await row.getByText(/Nadia Fahmy changed this again/).waitFor({ timeout: 30_000 })
  expect(await save(page).isDisabled()).toBe(true)
  expect(await row.getByRole('textbox', { name: 'Result for Notes' }).inputValue()).toBe(
    'calls back on Monday, or Tuesday',
  )
  await tabTo(page, row.getByRole('button', { name: 'Keep what I typed' }))
  await page.keyboard.press('Enter')
  await tabTo(page, save(page))
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: lead.name, exact: true }).waitFor()
  for (const person of [agent, manager]) {
    await fact(person.page, 'Notes', 'calls back on Monday, or Tuesday')
    await badge(person.page, /^Synced$/).waitFor({ timeout: 30_000 })
  }
})

test('[C5] without a network, by the one who did not write: decided, sent later, and settled for both', async () => {
  await notesClash('asked for the plan', 'asked for the price')
  await manager.page.getByRole('link', { name: 'Decide' }).click()
  const row = manager.page.getByRole('group', { name: 'Notes' })
  await row.getByRole('radio', { name: /asked for the plan/ }).waitFor({ timeout: 15_000 })
  server.network.cut()
  await badge(manager.page, 'Offline').waitFor()
  await row.getByRole('radio', { name: /asked for the plan/ }).click()
  await save(manager.page).click()
  await fact(manager.page, 'Notes', 'asked for the plan')
  // The screen of the other one is open when the decision arrives.
  await agent.page.getByRole('link', { name: 'Decide' }).click()
  await agent.page.getByRole('group', { name: 'Notes' }).waitFor()
  server.network.restore()
  await agent.page.getByText('Settled meanwhile').waitFor({ timeout: 30_000 })
  await agent.page.getByRole('link', { name: 'Lead', exact: true }).click()
  for (const { page } of [agent, manager]) {
    await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
    await fact(page, 'Notes', 'asked for the plan')
  }
})

test('[I-19] [C5] a form that is open while somebody else changes the lead says so, outlives a reload, and takes nothing away', async () => {
  const { page } = agent
  await page.getByRole('link', { name: 'Edit lead' }).click()
  const notes = page.getByRole('textbox', { name: 'Notes' })
  await notes.fill('typed for a long time')
  await editLead(manager.page, 'Notes', 'said meanwhile')
  await editLead(manager.page, 'Email', 'meanwhile@example.com')
  const news = page.locator('[aria-live=polite]', { hasText: /Changed by somebody else.*“said meanwhile”/ })
  await news.waitFor({ timeout: 15_000 })
  await page.locator('[aria-live=polite]', { hasText: /“meanwhile@example.com”.*It stays so/ }).waitFor()
  expect(await notes.inputValue()).toBe('typed for a long time')

  await page.reload()
  await page.getByText('This form holds changes that you have not saved.').waitFor()
  await news.waitFor()
  expect(await notes.inputValue()).toBe('typed for a long time')
  await page.getByRole('button', { name: 'Save lead' }).click()
  await page.getByRole('link', { name: 'Edit lead' }).waitFor()
  for (const person of [agent, manager]) await badge(person.page, /1 to decide/).waitFor({ timeout: 30_000 })
  await fact(agent.page, 'Notes', 'typed for a long time')
  await fact(manager.page, 'Notes', 'said meanwhile')
  for (const person of [agent, manager]) await fact(person.page, 'Email', 'meanwhile@example.com')
})

/** The manager's changes arrive first. */
const pair = (): Pair => ({ network: server.network, first: manager.page, second: agent.page })

/** Both change the notes without knowing of each other. The agent is left on the lead, with a conflict. */
async function notesClash(ofAgent: string, ofManager: string): Promise<void> {
  await clashOfNotes(pair(), { first: ofManager, second: ofAgent })
  // Work goes on: each sees what was written here, until it is decided.
  await fact(agent.page, 'Notes', ofAgent)
  await fact(manager.page, 'Notes', ofManager)
  // The mark is for everybody who sees the lead.
  for (const { page } of [agent, manager]) await page.getByText('Needs a decision').first().waitFor()
}

async function expectResult(row: Locator, text: string): Promise<void> {
  const result = row.getByRole('textbox', { name: 'Result for Notes' })
  await result.waitFor()
  await expect.poll(() => result.inputValue()).toBe(text)
}

async function fact(page: Page, name: string, value: string): Promise<void> {
  const details = page.getByRole('region', { name: 'Details' })
  await details
    .locator('div', { has: page.getByText(new RegExp(`^${name}`)) })
    .filter({ hasText: value })
    .first()
    .waitFor({ timeout: 30_000 })
}

function decision(page: Page, text: RegExp): Locator {
  return page.getByRole('list', { name: 'Decisions' }).getByRole('listitem').filter({ hasText: text })
}

function save(page: Page): Locator {
  return page.getByRole('button', { name: 'Save decision' })
}

/** As far as the Tab key has to be pressed for it, and not beyond the page. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let presses = 0; presses < 40; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error('The Tab key does not get there.')
}
