/** What the server refuses waits for a person: mended, sent again, discarded, taken away as a file. Nothing of it blocks the rest. */
import { readFile } from 'node:fs/promises'
import type { Locator, Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DemoServer, startDemoServer } from './demo-server.ts'
import { badge, createLead, logCall, openBrowser, openLead, type Person, signIn } from './person.ts'
import { apart, together } from './two-people.ts'

const tooMuch = '60000000'
const reason = /A budget above EGP 50,000,000 is entered by a manager/

let server: DemoServer
let agent: Person
let manager: Person
let page: Page

beforeAll(async () => {
  server = await startDemoServer({ kind: 'sqlite' }, 400)
  agent = await openBrowser(server.url)
  manager = await openBrowser(server.url)
  page = agent.page
  await signIn(agent, 'agent-7', ' leads')
  await signIn(manager, 'manager', '400 leads')
})

afterAll(async () => {
  await agent?.close()
  await manager?.close()
  await server?.stop()
})

const card = (name: string): Locator => page.getByRole('list', { name: 'Refused' }).getByRole('region', { name })

test('[I-10] a refused lead is mended at its field, with the calls that hang on it; other work arrived long before', async () => {
  server.network.cut()
  await badge(page, 'Offline').waitFor()
  await createRich('Refused Story', '+20 100 888 0101')
  await logCall(page, 'hangs on the lead')
  await createLead(page, { name: 'Free Story', phone: '+20 100 888 0102' })
  server.network.restore()
  await badge(page, '1 refused').waitFor({ timeout: 30_000 })
  await openLead(manager.page, '8880102', 'Free Story')

  await toInbox()
  const refused = card('New lead: Refused Story')
  await refused.getByText(reason).waitFor()
  await refused.getByText('Details for support').click()
  await refused.getByText('FORBIDDEN · budget').waitFor()
  await refused.getByText('And 1 change that hangs on it').click()
  await refused.getByText('hangs on the lead').waitFor()

  // It survives a reload, with the way to mend it.
  await page.reload()
  await refused.getByRole('button', { name: 'Fix' }).click()
  const budget = page.getByRole('spinbutton', { name: 'Budget' })
  await budget.waitFor()
  expect(await budget.evaluate((element) => element === document.activeElement)).toBe(true)
  expect(await page.getByRole('textbox', { name: 'Name' }).inputValue()).toBe('Refused Story')
  await page.getByText(reason).waitFor()
  await budget.fill('6000000')
  await page.getByRole('button', { name: 'Save lead' }).click()
  await page.getByRole('heading', { name: 'Refused Story' }).waitFor()
  await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })

  await openLead(manager.page, '8880101', 'Refused Story')
  await manager.page.getByText('6,000,000').first().waitFor()
  await manager.page.getByRole('list', { name: 'Calls' }).getByText('hangs on the lead').waitFor({ timeout: 15_000 })
})

test('[I-10] [I-4] by keyboard only: a change is sent again, refused again, discarded, brought back, discarded for good', async () => {
  await openLead(page, '8880101', 'Refused Story')
  await raiseBudget('Refused Story')
  await badge(page, '1 refused').waitFor({ timeout: 30_000 })
  // Rolled back on the screen, which says so and why; what was typed is in the inbox.
  await page.getByText('6,000,000').first().waitFor()
  await page.getByText('A change of this lead was not taken.').waitFor()
  await page.getByText(reason).waitFor()

  await badge(page, /./).focus()
  await page.keyboard.press('Enter')
  await tabTo(page.getByRole('dialog', { name: 'Sync' }).getByRole('link', { name: 'See what can be done' }))
  await page.keyboard.press('Enter')
  await expectFocus(page.getByRole('heading', { name: 'Refused', exact: true }))
  const refused = card('Change of a lead: Refused Story')
  await refused.getByText('EGP 60,000,000').waitFor()
  await tabTo(refused.getByRole('button', { name: 'Retry' }))
  await page.keyboard.press('Enter')
  await page.getByRole('status').filter({ hasText: 'Change of a lead was refused again.' }).waitFor({ timeout: 30_000 })
  await refused.getByText('Refused again').waitFor()
  await refused.getByRole('button', { name: 'Retry' }).waitFor()

  await tabTo(refused.getByRole('button', { name: 'Discard…' }))
  await page.keyboard.press('Enter')
  await refused
    .getByText('The server’s values stay. What you wrote is kept for 14 days on this device, then deleted.')
    .waitFor()
  await page.keyboard.press('Enter')
  await refused.waitFor({ state: 'detached' })
  await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
  await tabTo(page.getByRole('button', { name: 'Undo' }))
  await page.keyboard.press('Enter')
  await refused.waitFor()
  await badge(page, '1 refused').waitFor()

  await tabTo(refused.getByRole('button', { name: 'Discard…' }))
  await page.keyboard.press('Enter')
  await tabTo(refused.getByRole('button', { name: 'Discard', exact: true }))
  await page.keyboard.press('Enter')
  await page.getByText('Nothing was refused.').waitFor()
  await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
})

test('[I-10] [I-4] by keyboard only: the inbox is exported, and a change is mended at its field', async () => {
  await openLead(page, '8880101', 'Refused Story')
  await raiseBudget('Refused Story')
  await badge(page, '1 refused').waitFor({ timeout: 30_000 })
  await badge(page, /./).focus()
  await page.keyboard.press('Enter')
  await tabTo(page.getByRole('dialog', { name: 'Sync' }).getByRole('link', { name: 'See what can be done' }))
  await page.keyboard.press('Enter')
  await expectFocus(page.getByRole('heading', { name: 'Refused', exact: true }))

  const toFile = page.getByRole('button', { name: 'Export' })
  await tabTo(toFile)
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')])
  expect(await readFile(await download.path(), 'utf8')).toContain(tooMuch)
  await expectFocus(toFile)

  await tabTo(card('Change of a lead: Refused Story').getByRole('button', { name: 'Fix' }))
  await page.keyboard.press('Enter')
  await expectFocus(page.getByRole('spinbutton', { name: 'Budget' }))
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('6500000')
  await tabTo(page.getByRole('button', { name: 'Save lead' }))
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Refused Story' }).waitFor()
  await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
  await openLead(manager.page, '8880101', 'Refused Story')
  await manager.page.getByText('6,500,000').first().waitFor({ timeout: 15_000 })
})

test('the inbox is saved as a file, and a change that is not wanted any more goes by mouse', async () => {
  await openLead(page, '8880101', 'Refused Story')
  await raiseBudget('Refused Story')
  await badge(page, '1 refused').waitFor({ timeout: 30_000 })
  await toInbox()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: 'Export' }).click(),
  ])
  const text = await readFile(await download.path(), 'utf8')
  expect(JSON.stringify(JSON.parse(text))).toContain(tooMuch)
  const refused = card('Change of a lead: Refused Story')
  await refused.getByRole('button', { name: 'Discard…' }).click()
  await refused.getByRole('button', { name: 'Keep it' }).click()
  await refused.getByRole('button', { name: 'Discard…' }).click()
  await refused.getByRole('button', { name: 'Discard', exact: true }).click()
  await page.getByText('Nothing was refused.').waitFor()
})

test('[I-4] what was discarded is folded away under the inbox, and is taken back after a reload', async () => {
  await openLead(page, '8880101', 'Refused Story')
  await raiseBudget('Refused Story')
  await badge(page, '1 refused').waitFor({ timeout: 30_000 })
  await toInbox()
  const refused = card('Change of a lead: Refused Story')
  await refused.getByRole('button', { name: 'Discard…' }).click()
  await refused.getByRole('button', { name: 'Discard', exact: true }).click()
  await refused.waitFor({ state: 'detached' })
  await page.reload()
  await page.getByText(/^Discarded \(\d+\)$/).click()
  const kept = page.getByRole('list', { name: 'Discarded' }).getByRole('listitem').first()
  await kept.getByText('EGP 60,000,000').waitFor()
  await kept.getByRole('button', { name: 'Take back' }).click()
  await refused.waitFor()
  await badge(page, '1 refused').waitFor()
  await refused.getByRole('button', { name: 'Discard…' }).click()
  await refused.getByRole('button', { name: 'Discard', exact: true }).click()
  await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
})

test('[C9] [I-4] a change of a lead that somebody deleted is no dead end: the lead is brought back, then the change', async () => {
  await createLead(page, { name: 'Deleted Story', phone: '+20 100 888 0103' })
  await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
  await openLead(manager.page, '8880103', 'Deleted Story')
  const pair = { network: server.network, first: manager.page, second: page }
  await apart(pair)
  await page.getByRole('link', { name: 'Edit lead' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill('Deleted Story, renamed')
  await page.getByRole('button', { name: 'Save lead' }).click()
  await page.getByRole('heading', { name: 'Deleted Story, renamed' }).waitFor()
  await manager.page.getByRole('button', { name: 'Delete lead' }).click()
  await together(pair)
  await badge(page, '1 refused').waitFor({ timeout: 30_000 })
  await page.getByRole('heading', { name: 'Not on this device' }).waitFor()
  await page.getByText('A change of this lead was not taken.').waitFor()

  await toInbox()
  const refused = card('Change of a lead: Deleted Story')
  await refused.getByText('Somebody deleted this lead before your change arrived').waitFor()
  expect(await refused.getByRole('button', { name: 'Fix' }).count()).toBe(0)
  await refused.getByRole('button', { name: 'Bring it back' }).click()
  await refused.getByRole('button', { name: 'Send my change again' }).click({ timeout: 30_000 })
  await page.getByText('Nothing was refused.').waitFor({ timeout: 30_000 })
  await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
  await openLead(manager.page, '8880103', 'Deleted Story, renamed')
})

test('a refused change hides neither that there is no network nor what waits, and the sign-out says what becomes of it', async () => {
  await openLead(page, '8880101', 'Refused Story')
  await raiseBudget('Refused Story')
  await badge(page, '1 refused').waitFor({ timeout: 30_000 })
  server.network.cut()
  await badge(page, 'Offline · 1 refused').waitFor({ timeout: 30_000 })
  await logCall(page, 'written offline')
  await badge(page, 'Offline · 1 waiting · 1 refused').waitFor()
  const leadUrl = page.url()

  const { dialog, open } = signOutOf(page)
  await open()
  await dialog.getByText('There is no connection.').waitFor()
  await dialog.getByText('2 changes have not reached the server').waitFor()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    dialog.getByRole('button', { name: 'Export them' }).click(),
  ])
  expect(await readFile(await download.path(), 'utf8')).toContain('written offline')
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  server.network.restore()
  await badge(page, /^1 refused$/).waitFor({ timeout: 30_000 })

  // What is to be deleted is said, and asked for by its own button.
  await open()
  await dialog.getByRole('button', { name: 'Delete them instead…' }).click()
  await expectFocus(dialog.getByRole('button', { name: 'Delete 1 change and sign out' }))
  await dialog.getByText('1 change that the server has not taken will be lost for good.').waitFor()
  await dialog.getByRole('button', { name: 'Delete 1 change and sign out' }).click()
  await expectFocus(page.getByRole('heading', { name: 'Sign in' }))
  expect(page.url()).toBe(leadUrl)

  // Somebody else does not begin on a lead of the one before.
  await signIn(agent, 'agent-8', ' leads')
  expect(new URL(page.url()).pathname).toBe('/leads')
  await expectFocus(page.getByRole('heading', { name: 'Leads' }))
})

function signOutOf(page: Page): { readonly dialog: Locator; readonly open: () => Promise<void> } {
  return {
    dialog: page.getByRole('dialog', { name: 'Sign out' }),
    async open() {
      await page.getByRole('button', { name: 'Account' }).click()
      await page.getByRole('button', { name: 'Sign out' }).click()
    },
  }
}

async function expectFocus(target: Locator): Promise<void> {
  await target.waitFor()
  await expect.poll(() => target.evaluate((element) => element === document.activeElement)).toBe(true)
}

async function createRich(name: string, phone: string): Promise<void> {
  await page.getByRole('link', { name: 'List' }).click()
  await page.getByRole('link', { name: 'New lead' }).click()
  await page.getByRole('textbox', { name: 'Name' }).fill(name)
  await page.getByRole('textbox', { name: 'Phone' }).fill(phone)
  await page.getByRole('spinbutton', { name: 'Budget' }).fill(tooMuch)
  await page.getByRole('button', { name: 'Save lead' }).click()
  await page.getByRole('heading', { name }).waitFor()
}

async function raiseBudget(name: string): Promise<void> {
  await page.getByRole('link', { name: 'Edit lead' }).click()
  await page.getByRole('spinbutton', { name: 'Budget' }).fill(tooMuch)
  await page.getByRole('button', { name: 'Save lead' }).click()
  await page.getByRole('heading', { name }).waitFor()
}

async function toInbox(): Promise<void> {
  await badge(page, '1 refused').click()
  await page.getByRole('dialog', { name: 'Sync' }).getByRole('link', { name: 'See what can be done' }).click()
}

async function tabTo(target: Locator): Promise<void> {
  for (let presses = 0; presses < 60; presses += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error('The Tab key does not get there.')
}
