/** Every page by axe, on a dark phone and on a light desktop. */
import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DemoServer, startDemoServer } from './demo-server.ts'
import { badge, openBrowser, type Person, signIn } from './person.ts'

const screens: readonly (readonly [string, (page: Page) => Promise<void>])[] = [
  ['list', async (page) => page.getByRole('link', { name: 'List' }).click()],
  ['board', async (page) => page.getByRole('link', { name: 'Board' }).click()],
  [
    'new lead',
    async (page) => {
      await page.getByRole('link', { name: 'List' }).click()
      await page.getByRole('link', { name: 'New lead' }).click()
      await page.getByRole('textbox', { name: 'Name' }).waitFor()
    },
  ],
  ['lead', openFirstLead],
  [
    'sync sheet',
    async (page) => {
      await badge(page, /./).click()
      await page.getByRole('dialog', { name: 'Sync' }).waitFor()
    },
  ],
]

let server: DemoServer
let person: Person

beforeAll(async () => {
  server = await startDemoServer({ kind: 'sqlite' }, 300)
  person = await openBrowser(server.url)
  await signIn(person, 'manager', '300 leads')
})

afterAll(async () => {
  await person?.close()
  await server?.stop()
})

// Colours change with the scheme and layout with the width: two looks see all of both.
const looks = [
  { width: 390, height: 844, colorScheme: 'dark' },
  { width: 1280, height: 800, colorScheme: 'light' },
] as const

test.each(looks)('axe finds nothing at $width px, $colorScheme', async ({ width, height, colorScheme }) => {
  const { page } = person
  await page.setViewportSize({ width, height })
  await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
  for (const [name, open] of screens) {
    await open(page)
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => `${name}: ${id} ${nodes[0]?.html}`)).toEqual([])
    const close = page.getByRole('dialog').getByRole('button', { name: 'Close' })
    if (await close.isVisible()) await close.click()
  }
})

async function openFirstLead(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'List' }).click()
  await page.getByRole('grid', { name: 'Leads' }).getByRole('link').first().click()
  await page.getByRole('link', { name: 'Edit lead' }).waitFor()
}
