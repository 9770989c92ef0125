/** Every page by axe, on a dark phone and on a light desktop. */
import { AxeBuilder } from '@axe-core/playwright'
import type { Page } from 'playwright'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DemoServer, startDemoServer } from './demo-server.ts'
import { badge, createLead, moveTo, openBrowser, openLead, type Person, signIn } from './person.ts'
import { apart, clashOfNotes, editLead, together } from './two-people.ts'

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
    'lead with a decision and a conflict',
    async (page) => {
      await openLead(page, '7770301', 'Asked Story')
      await page.getByRole('link', { name: 'Decide' }).waitFor()
      await page.getByRole('list', { name: 'Decisions' }).waitFor()
    },
  ],
  [
    'merge screen',
    async (page) => {
      await page.getByRole('link', { name: 'Decide' }).click()
      await page.getByRole('group', { name: 'Notes' }).waitFor()
    },
  ],
  [
    'conflicts',
    async (page) => {
      await badge(page, /./).click()
      await page.getByRole('link', { name: '1 needs your decision' }).click()
      await page.getByRole('list', { name: 'Conflicts' }).waitFor()
    },
  ],
  [
    'sync sheet',
    async (page) => {
      await badge(page, /./).click()
      await page.getByRole('dialog', { name: 'Sync' }).waitFor()
    },
  ],
]

const refused = (page: Page) => page.getByRole('list', { name: 'Refused' }).getByRole('region', { name: /Asked Story/ })

const agentScreens: typeof screens = [
  [
    'lead of which a change was refused',
    async (page) => {
      await openLead(page, '7770301', 'Asked Story')
      await page.getByText('A change of this lead was not taken.').waitFor()
    },
  ],
  [
    'sign-out with changes that wait',
    async (page) => {
      await page.getByRole('button', { name: 'Account' }).click()
      await page.getByRole('button', { name: 'Sign out' }).click()
      const dialog = page.getByRole('dialog', { name: 'Sign out' })
      await dialog.getByRole('button', { name: 'Delete them instead…' }).click()
    },
  ],
  [
    'inbox',
    async (page) => {
      await badge(page, /./).click()
      await page.getByRole('dialog', { name: 'Sync' }).getByRole('link', { name: 'See what can be done' }).click()
      await refused(page).waitFor()
    },
  ],
  ['inbox, asked whether to discard', (page) => refused(page).getByRole('button', { name: 'Discard…' }).click()],
  [
    'inbox, with what was discarded',
    async (page) => {
      await refused(page).getByRole('button', { name: 'Discard', exact: true }).click()
      await page.getByText('Discarded (1)').click()
      await page.getByRole('button', { name: 'Take back' }).waitFor()
    },
  ],
  [
    'form of a refused change',
    async (page) => {
      await page.getByRole('button', { name: 'Take back' }).click()
      await refused(page).getByRole('button', { name: 'Fix' }).click()
      await page.getByRole('textbox', { name: 'Name' }).waitFor()
    },
  ],
]

let server: DemoServer
let person: Person
let agent: Person

beforeAll(async () => {
  server = await startDemoServer({ kind: 'sqlite' }, 300)
  person = await openBrowser(server.url)
  await signIn(person, 'manager', '300 leads')
  agent = await openBrowser(server.url)
  await signIn(agent, 'agent-7', ' leads')
  await createLead(agent.page, { name: 'Asked Story', phone: '+20 100 777 0301' })
  await badge(agent.page, /^Synced$/).waitFor()
  await openLead(person.page, '7770301', 'Asked Story')
  const pair = { network: server.network, first: person.page, second: agent.page }
  await apart(pair)
  await moveTo(pair.first, 'Visit')
  await moveTo(pair.second, 'Won')
  await together(pair)
  await badge(pair.second, /^Synced$/).waitFor()
  await clashOfNotes(pair, { first: 'wants a roof', second: 'wants a garden' })
  // Refused to an agent, by the rule on budgets.
  await editLead(agent.page, 'Budget', '60000000')
  await badge(agent.page, '1 refused').waitFor({ timeout: 30_000 })
})

afterAll(async () => {
  await person?.close()
  await agent?.close()
  await server?.stop()
})

// Colours change with the scheme and layout with the width: two looks see all of both.
const looks = [
  { width: 390, height: 844, colorScheme: 'dark' },
  { width: 1280, height: 800, colorScheme: 'light' },
] as const

test.each(looks)('axe finds nothing at $width px, $colorScheme', async ({ width, height, colorScheme }) => {
  for (const [{ page }, all] of [
    [person, screens],
    [agent, agentScreens],
  ] as const) {
    await page.setViewportSize({ width, height })
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const [name, open] of all) {
      await open(page)
      const { violations } = await new AxeBuilder({ page }).analyze()
      expect(violations.map(({ id, nodes }) => `${name}: ${id} ${nodes[0]?.html}`)).toEqual([])
      const close = page.getByRole('dialog').getByRole('button', { name: /^(Close|Cancel)$/ })
      if (await close.isVisible()) await close.click()
    }
  }
})

async function openFirstLead(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'List' }).click()
  await page.getByRole('grid', { name: 'Leads' }).getByRole('link').first().click()
  await page.getByRole('link', { name: 'Edit lead' }).waitFor()
}
