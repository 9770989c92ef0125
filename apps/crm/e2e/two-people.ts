/** Two people at one lead who do not know of each other's changes. */
import type { TcpProxy } from '@holdfast/testing'
import type { Page } from 'playwright'
import { badge } from './person.ts'

export interface Pair {
  readonly network: Pick<TcpProxy, 'cut' | 'restore'>
  /** Whose changes arrive first. */
  readonly first: Page
  readonly second: Page
}

export async function apart({ network, first, second }: Pair): Promise<void> {
  network.cut()
  for (const page of [first, second]) await badge(page, 'Offline').waitFor({ timeout: 30_000 })
}

export async function together({ network, first, second }: Pair): Promise<void> {
  await second.context().setOffline(true)
  network.restore()
  await badge(first, /^(Synced|\d+ to decide)$/).waitFor({ timeout: 30_000 })
  await second.context().setOffline(false)
}

/** Changes one field of the lead on screen, in its form. */
export async function editLead(page: Page, field: string, value: string): Promise<void> {
  await page.getByRole('link', { name: 'Edit lead' }).click()
  await page.getByRole(field === 'Budget' ? 'spinbutton' : 'textbox', { name: field }).fill(value)
  await page.getByRole('button', { name: 'Save lead' }).click()
  await page.getByRole('link', { name: 'Edit lead' }).waitFor()
}

/** Both change the notes of the lead on their screens; both then hold the conflict. */
export async function clashOfNotes(
  pair: Pair,
  notes: { readonly first: string; readonly second: string },
): Promise<void> {
  await apart(pair)
  await editLead(pair.first, 'Notes', notes.first)
  await editLead(pair.second, 'Notes', notes.second)
  await together(pair)
  for (const page of [pair.first, pair.second]) await badge(page, /to decide/).waitFor({ timeout: 30_000 })
}
