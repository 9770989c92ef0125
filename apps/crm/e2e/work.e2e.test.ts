/** The board and the list as people work with them: by mouse, by keyboard, by address, by scrollbar. */
import type { Locator, Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DemoServer, startDemoServer } from './demo-server.ts'
import { createLead, expectStage, openBrowser, openLead, type Person, signIn } from './person.ts'

let server: DemoServer
let person: Person
let page: Page

beforeAll(async () => {
  server = await startDemoServer({ kind: 'sqlite' }, 20_000)
  person = await openBrowser(server.url)
  page = person.page
  await signIn(person, 'manager', '20,000 leads')
})

afterAll(async () => {
  await person?.close()
  await server?.stop()
})

const column = (name: string): Locator => page.getByRole('region', { name })
const card = (stage: string, name: string): Locator => column(stage).getByRole('group', { name })

test('a card moves on by key and by drag, and the lead has the stage', async () => {
  await createLead(page, { name: 'Board Story', phone: '+20 100 555 0188' })
  await page.getByRole('link', { name: 'Board' }).click()
  await card('New', 'Board Story').focus()
  await page.keyboard.press('m')
  await card('Contacted', 'Board Story').waitFor()

  await drag(card('Contacted', 'Board Story'), column('Qualified'))
  await card('Qualified', 'Board Story').waitFor()

  await card('Qualified', 'Board Story').focus()
  await page.keyboard.press('Shift+M')
  await card('Contacted', 'Board Story').waitFor()
  await openLead(page, '5550188', 'Board Story')
  await expectStage(page, 'Contacted')
})

test('a half-typed call outlives a reload and another page, belongs to its lead, and goes when it is logged', async () => {
  await createLead(page, { name: 'Call Story', phone: '+20 100 555 0189' })
  const note = page.getByRole('textbox', { name: 'Call note' })
  await note.fill('half a sentence')
  await page.reload()
  await expect.poll(() => note.inputValue()).toBe('half a sentence')
  await openLead(page, '5550188', 'Board Story')
  expect(await note.inputValue()).toBe('')
  await openLead(page, '5550189', 'Call Story')
  expect(await note.inputValue()).toBe('half a sentence')
  await page.getByRole('button', { name: 'Log call' }).click()
  await page.getByRole('list', { name: 'Calls' }).getByText('half a sentence').waitFor()
  await page.reload()
  await page.getByRole('list', { name: 'Calls' }).waitFor()
  expect(await note.inputValue()).toBe('')
})

test('filters and sort stand in the address, and an address brings them back', async () => {
  await page.goto(`${server.url}/leads?stage=won&sort=budget`)
  const rows = page.getByRole('grid', { name: 'Leads' }).getByRole('row')
  await rows.filter({ hasText: 'Won' }).first().waitFor()
  expect(await page.getByRole('combobox', { name: 'Stage' }).inputValue()).toBe('won')
  await page.getByRole('combobox', { name: 'Stage' }).selectOption({ label: 'Visit' })
  await rows.filter({ hasText: 'Visit' }).first().waitFor()
  expect(new URL(page.url()).searchParams.get('stage')).toBe('visit')
  expect(new URL(page.url()).searchParams.get('sort')).toBe('budget')
})

test('the scrollbar can be dragged anywhere, and the rows there come', async () => {
  await page.goto(`${server.url}/leads`)
  const grid = page.getByRole('grid', { name: 'Leads' })
  await grid.getByRole('link').first().waitFor()
  for (const part of [0.9, 0.3, 0.6]) {
    await grid.evaluate((element, share) => {
      element.scrollTop = element.scrollHeight * share
    }, part)
    const about = Math.round(20_000 * part)
    const indexes = () =>
      grid.getByRole('row').evaluateAll((found) => found.map((row) => Number(row.getAttribute('aria-rowindex'))))
    await expect.poll(async () => (await indexes()).some((index) => Math.abs(index - about) < 100)).toBe(true)
    await expect.poll(() => grid.getByRole('link').count()).toBeGreaterThan(5)
  }
})

async function drag(from: Locator, to: Locator): Promise<void> {
  const start = await from.boundingBox()
  const end = await to.boundingBox()
  if (start === null || end === null) throw new Error('Nothing to drag, or nowhere to drag it.')
  await page.mouse.move(start.x + 60, start.y + start.height - 8)
  await page.mouse.down()
  await page.mouse.move(end.x + end.width / 2, end.y + 120, { steps: 12 })
  await page.mouse.up()
}
