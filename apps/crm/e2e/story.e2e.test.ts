/**
 * The main job, in real browsers over a real network: leads are worked without a network, and it all arrives. Told as an agent
 * and as the manager, on both stores.
 */
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type DemoServer, type StoreChoice, startDemoServer } from './demo-server.ts'
import {
  badge,
  createLead,
  expectStage,
  giveTo,
  killTab,
  logCall,
  moveTo,
  openBrowser,
  openLead,
  type Person,
  signIn,
} from './person.ts'

const leadsInAll = 100_000

const stores: readonly (readonly [string, () => StoreChoice])[] = [
  ['the embedded store', () => ({ kind: 'sqlite' })],
  ['Postgres', () => ({ kind: 'postgres', url: inject('postgresUrl') })],
]

describe.each(stores)('on %s', (_, store) => {
  let server: DemoServer
  let agent: Person
  let manager: Person

  beforeAll(async () => {
    server = await startDemoServer(store(), leadsInAll)
    agent = await openBrowser(server.url)
    manager = await openBrowser(server.url)
    await signIn(agent, 'agent-7', ' leads')
    await signIn(manager, 'manager', '100,000 leads')
  })

  afterAll(async () => {
    await agent?.close()
    await manager?.close()
    await server?.stop()
  })

  // Each tells it with the other as the one who waits for the news.
  const tellings = [
    { teller: 'an agent', name: 'Mona Hassan Story', phone: '+20 100 555 0142', last: '5550142' },
    { teller: 'the manager', name: 'منى الحسيني', phone: '+20 100 555 0143', last: '5550143' },
  ]
  test.each(tellings)(
    '[I-1] [I-11] $teller works a lead without a network, reloads, and it arrives elsewhere',
    async (lead) => {
      const [worker, other] = lead.teller === 'an agent' ? [agent, manager] : [manager, agent]
      server.network.cut()
      await badge(worker.page, 'Offline').waitFor()

      await createLead(worker.page, lead)
      await moveTo(worker.page, 'Contacted')
      await moveTo(worker.page, 'Visit')
      await logCall(worker.page, `asked for ${lead.last}`)
      await badge(worker.page, /Offline · \d+ waiting/).waitFor()

      // The page opens without a network, with everything in it.
      await worker.page.reload()
      await worker.page.getByRole('heading', { name: lead.name }).waitFor()
      await expectStage(worker.page, 'Visit')
      await badge(worker.page, /Offline · \d+ waiting/).waitFor()
      if (lead.teller === 'the manager') await giveTo(worker.page, 'agent-7')

      server.network.restore()
      await badge(worker.page, /^Synced$/).waitFor({ timeout: 30_000 })

      await openLead(other.page, lead.last, lead.name)
      await expectStage(other.page, 'Visit')
      // A call is where its lead is, whoever made it.
      await other.page.getByRole('list', { name: 'Calls' }).getByText(`asked for ${lead.last}`).waitFor()
    },
  )

  test('[I-19] [C1] edits of two people to different fields of one lead are both kept', async () => {
    await openLead(agent.page, '5550142', 'Mona Hassan Story')
    await openLead(manager.page, '5550142', 'Mona Hassan Story')
    server.network.cut()
    await badge(agent.page, 'Offline').waitFor()
    await badge(manager.page, 'Offline').waitFor()
    await moveTo(agent.page, 'Negotiation')
    await manager.page.getByRole('link', { name: 'Edit lead' }).click()
    await manager.page.getByRole('spinbutton', { name: 'Budget' }).fill('7250000')
    await manager.page.getByRole('button', { name: 'Save lead' }).click()
    server.network.restore()
    for (const { page } of [agent, manager]) {
      await badge(page, /^Synced$/).waitFor({ timeout: 30_000 })
      await expectStage(page, 'Negotiation')
      await page.getByText('7,250,000').first().waitFor({ timeout: 15_000 })
    }
  })

  test('a lead given to another agent leaves the device of the first', async () => {
    await openLead(agent.page, '5550142', 'Mona Hassan Story')
    await openLead(manager.page, '5550142', 'Mona Hassan Story')
    await giveTo(manager.page, 'agent-8')
    await agent.page.getByRole('link', { name: 'List' }).click()
    await agent.page.getByRole('searchbox', { name: 'Search leads' }).fill('5550142')
    await agent.page
      .getByRole('grid', { name: 'Leads' })
      .getByRole('link', { name: 'Mona Hassan Story' })
      .waitFor({ state: 'detached', timeout: 15_000 })
    await giveTo(manager.page, 'agent-7')
    await agent.page
      .getByRole('grid', { name: 'Leads' })
      .getByRole('link', { name: 'Mona Hassan Story' })
      .waitFor({ timeout: 15_000 })
  })

  test('[I-3] the server is killed; what it had acknowledged is there, and the rest arrives', async () => {
    await openLead(agent.page, '5550142', 'Mona Hassan Story')
    await moveTo(agent.page, 'Reserved')
    await server.killAndRestart()
    await moveTo(agent.page, 'Won')
    await badge(agent.page, /^Synced$/).waitFor({ timeout: 60_000 })
    await openLead(manager.page, '5550142', 'Mona Hassan Story')
    await expectStage(manager.page, 'Won')
  })

  test('[I-5] two tabs work on one database; the one that holds it is killed and the other goes on', async () => {
    const leader = agent.page
    const follower = await agent.context.newPage()
    await follower.goto(server.url)
    await openLead(follower, '5550142', 'Mona Hassan Story')
    // A follower writes through the leader, and the leader shows it.
    await moveTo(follower, 'Qualified')
    await openLead(leader, '5550142', 'Mona Hassan Story')
    await expectStage(leader, 'Qualified')

    await killTab(leader)
    await logCall(follower, 'after the leader')
    await moveTo(follower, 'Reserved')
    await badge(follower, /^Synced$/).waitFor({ timeout: 30_000 })
    agent.page = follower
    await leader.close()

    await openLead(manager.page, '5550142', 'Mona Hassan Story')
    await expectStage(manager.page, 'Reserved')
    const calls = manager.page.getByRole('list', { name: 'Calls' })
    await calls.getByText('after the leader').waitFor()
    expect(await calls.getByText('after the leader').count()).toBe(1)
  })
})
