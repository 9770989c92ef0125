import type { ConflictItem, DecisionItem, DiscardedGroup, InboxGroup, Write } from '@holdfast/client'
import { collection, defineSchema, t } from '@holdfast/core'
import type { ReactNode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Locator, page, userEvent } from 'vitest/browser'
import type { KeptAnswers } from './conflicts/kept-answers.ts'
import type { KeptAnswer, Results } from './conflicts/merge-draft.ts'
import { MergeForm } from './conflicts/merge-form.tsx'
import { DecisionList } from './history/decision-list.tsx'
import { DiscardedGroups } from './inbox/discarded-groups.tsx'
import { InboxGroups } from './inbox/inbox-groups.tsx'
import { createSpeech } from './words/record-words.ts'

const leads = collection({
  fields: {
    name: t.text(),
    stage: t.enum(['new', 'won', 'visit']),
    budget: t.integer({ min: 0 }),
    notes: t.text({ merge: 'manual' }),
  },
})
const schema = defineSchema({ version: 1, collections: { leads } })
const stages: { readonly [stage: string]: string } = { new: 'New', won: 'Won', visit: 'Visit' }
const words = {
  collections: {
    leads: {
      one: 'lead',
      fields: { stage: { name: 'Stage', value: (stage: unknown) => stages[String(stage)] ?? '' } },
    },
  },
  person: (user: string) => (user === 'amal' ? 'Amal Fathy' : 'Mona Saad'),
}
const speech = createSpeech(schema, words, 'amal')
const at = Date.UTC(2026, 1, 3, 10, 42)
const amal = { user: 'amal', device: 'd1', at, correctedAt: at }
const mona = { user: 'mona', device: 'd2', at: at - 120_000, correctedAt: at - 120_000 }

const notes: ConflictItem = {
  id: 'c1',
  collection: 'leads',
  record: 'r1',
  field: 'notes',
  revision: 1,
  base: 'wants a garden',
  local: 'wants a large garden',
  remote: 'wants a roof',
  localBy: amal,
  remoteBy: mona,
  isOwn: true,
  openedAt: at,
}
const stage: ConflictItem = { ...notes, id: 'c2', field: 'stage', base: 'new', local: 'visit', remote: 'won' }

let root: Root
let element: HTMLElement

beforeEach(() => {
  kept = []
  element = document.body.appendChild(document.createElement('main'))
  root = createRoot(element)
})

afterEach(() => {
  root.unmount()
  element.remove()
})

function mergeForm(items: readonly [ConflictItem, ...ConflictItem[]], onSettle = async (_: Results) => {}): ReactNode {
  return (
    <MergeForm
      speech={speech}
      collection={leads}
      items={items}
      kept={keptHere}
      onSettle={onSettle}
      onLater={() => {}}
    />
  )
}

async function reads(locator: Locator, text: string | RegExp): Promise<void> {
  await vi.waitFor(() => expect(locator.element().textContent).toMatch(text))
}

/** What is kept of an open screen, as long as one test. */
let kept: readonly KeptAnswer[] = []
const keptHere: KeptAnswers = {
  read: () => kept,
  write: (answers) => {
    kept = JSON.parse(JSON.stringify(answers))
  },
}

const save = () => page.getByRole('button', { name: 'Save decision' })
const row = (name: string) => page.getByRole('group', { name })

test('nothing is chosen in advance; saving waits for each row and goes to the first open one', async () => {
  const settle = vi.fn(async (_: Results) => {})
  root.render(mergeForm([notes, stage], settle))
  await expect.element(save()).toHaveAttribute('aria-disabled', 'true')
  expect(element.querySelectorAll(':checked[type=radio]')).toHaveLength(0)
  await row('Stage')
    .getByRole('radio', { name: /Mona Saad/ })
    .click()
  await save().click({ force: true })
  expect(settle).not.toHaveBeenCalled()
  await expect.element(row('Notes').getByRole('radio', { name: /Yours/ })).toHaveFocus()
  await row('Notes').getByRole('radio', { name: /Yours/ }).click()
  await save().click()
  expect(settle.mock.calls).toEqual([[{ c1: 'wants a large garden', c2: 'won' }]])
})

test('by keyboard only: a side is chosen, its text is worked on, and the third value is saved', async () => {
  const settle = vi.fn(async (_: Results) => {})
  root.render(mergeForm([notes], settle))
  await expect.element(save()).toBeVisible()
  await userEvent.tab()
  await expect.element(row('Notes').getByRole('radio', { name: /Yours/ })).toHaveFocus()
  await userEvent.keyboard(' ')
  await userEvent.tab()
  await expect.element(page.getByRole('textbox', { name: 'Result for Notes' })).toHaveFocus()
  await userEvent.keyboard('{Control>}{End}{/Control} and a roof')
  await userEvent.tab()
  await expect.element(page.getByRole('button', { name: 'Keep both' })).toHaveFocus()
  await userEvent.tab()
  await expect.element(save()).toHaveFocus()
  await userEvent.keyboard('{Enter}')
  await vi.waitFor(() => expect(settle.mock.calls).toEqual([[{ c1: 'wants a large garden and a roof' }]]))
})

test('the other side changes under the screen: the row says so, asks again, and keeps what was typed', async () => {
  root.render(mergeForm([notes, stage]))
  await row('Stage').getByRole('radio', { name: /Yours/ }).click()
  const result = page.getByRole('textbox', { name: 'Result for Notes' })
  await result.fill('both')
  await expect.element(save()).toHaveAttribute('aria-disabled', 'false')
  const later = { ...mona, correctedAt: at + 60_000 }
  root.render(mergeForm([{ ...notes, remote: 'wants a cellar', remoteBy: later }, stage]))
  await expect.element(save()).toHaveAttribute('aria-disabled', 'true')
  await reads(row('Notes'), /Mona Saad changed this again/)
  await expect.element(result).toHaveValue('both')
  await page.getByRole('button', { name: 'Keep what I typed' }).click()
  await expect.element(save()).toHaveAttribute('aria-disabled', 'false')
})

test('[MD4] what was chosen and typed is there again when the screen is opened again, and asked again where it changed', async () => {
  root.render(mergeForm([notes, stage]))
  await row('Stage').getByRole('radio', { name: /Yours/ }).click()
  const result = page.getByRole('textbox', { name: 'Result for Notes' })
  await result.fill('both')
  root.render(null)
  root.render(mergeForm([notes, stage]))
  await expect.element(result).toHaveValue('both')
  await expect.element(row('Stage').getByRole('radio', { name: /Yours/ })).toBeChecked()
  await expect.element(save()).toHaveAttribute('aria-disabled', 'false')
  root.render(null)
  root.render(mergeForm([{ ...notes, remote: 'wants a cellar' }, stage]))
  await reads(row('Notes'), /Mona Saad changed this again/)
  await expect.element(result).toHaveValue('both')
  await expect.element(save()).toHaveAttribute('aria-disabled', 'true')
})

test('[MD4] a decision that is saved leaves nothing behind; one that failed does', async () => {
  root.render(mergeForm([notes], () => Promise.reject(new Error('The disk is full.'))))
  const result = page.getByRole('textbox', { name: 'Result for Notes' })
  await result.fill('both')
  await save().click()
  await reads(page.getByRole('alert'), 'The disk is full.')
  expect(kept).toMatchObject([{ field: 'notes', answer: { text: 'both' } }])
  root.render(mergeForm([notes]))
  await save().click()
  await vi.waitFor(() => expect(kept).toEqual([]))
})

test('both texts are kept by one press, to be worked on; what is missing is said, and what differs is marked', async () => {
  const settle = vi.fn(async (_: Results) => {})
  root.render(mergeForm([notes], settle))
  await reads(page.getByRole('status'), 'Choose a side first, or type the result.')
  await expect.element(save()).toHaveAccessibleDescription('Choose a side first, or type the result.')
  await vi.waitFor(() =>
    expect([...element.querySelectorAll('mark')].map(({ textContent }) => textContent)).toEqual([
      'large garden',
      'roof',
    ]),
  )
  await page.getByRole('button', { name: 'Keep both' }).click()
  const result = page.getByRole('textbox', { name: 'Result for Notes' })
  await expect.element(result).toHaveFocus()
  await expect.element(result).toHaveValue('wants a large garden\n\nwants a roof')
  await save().click()
  expect(settle.mock.calls).toEqual([[{ c1: 'wants a large garden\n\nwants a roof' }]])
})

test('everything from one hand is one press', async () => {
  const settle = vi.fn(async (_: Results) => {})
  root.render(mergeForm([notes, stage], settle))
  await page.getByRole('button', { name: 'Keep all theirs' }).click()
  await save().click()
  expect(settle.mock.calls).toEqual([[{ c1: 'wants a roof', c2: 'won' }]])
})

test('who looks at the conflict of somebody else reads whose side is whose', async () => {
  const settle = vi.fn(async (_: Results) => {})
  const seen = [notes, stage].map((item) => ({ ...item, isOwn: false, localBy: mona, remoteBy: amal }))
  const [first, second] = seen
  if (first === undefined || second === undefined) throw new Error('Two were given.')
  root.render(mergeForm([first, second], settle))
  await expect.element(row('Notes').getByRole('radio', { name: /^Mona Saad · .*large garden/ })).toBeVisible()
  await expect.element(row('Notes').getByRole('radio', { name: /^Yours · .*roof/ })).toBeVisible()
  await expect.element(page.getByRole('button', { name: 'Keep all of Mona Saad’s' })).toBeVisible()
  await page.getByRole('button', { name: 'Keep all mine' }).click()
  await save().click()
  expect(settle.mock.calls).toEqual([[{ c1: 'wants a roof', c2: 'won' }]])
})

test('one person on two devices reads which side is of the other device', async () => {
  root.render(mergeForm([{ ...notes, remoteBy: { ...amal, device: 'd3' } }]))
  await expect.element(row('Notes').getByRole('radio', { name: /^Yours · .*large garden/ })).toBeVisible()
  await expect.element(row('Notes').getByRole('radio', { name: /^Yours, on another device · .*roof/ })).toBeVisible()
})

test('a deletion against an edit is asked in plain words', async () => {
  const settle = vi.fn(async (_: Results) => {})
  const was = { name: 'Hana', stage: 'new', budget: 1, notes: '' }
  const whole = { ...notes, field: '', base: was, local: null, remote: { ...was, stage: 'won' } }
  root.render(mergeForm([whole], settle))
  const group = row('The lead')
  await reads(group, /You deleted this lead at .*, Mona Saad changed it/)
  await expect.element(group.getByRole('radio', { name: /Keep the lead/ })).toHaveAccessibleName(/Stage: Won/)
  await group.getByRole('radio', { name: /Delete the lead/ }).click()
  await save().click()
  expect(settle.mock.calls).toEqual([[{ c1: null }]])
})

const refused: InboxGroup = {
  id: '0'.repeat(32),
  tx: '1'.repeat(32),
  collection: 'leads',
  record: 'r1',
  kind: 'create',
  fields: { name: 'Hana', budget: -5 },
  was: {},
  code: 'INVALID_VALUE',
  field: 'budget',
  problem: 'leads.budget is -5, but must be at least 0.',
  refusedAt: at,
  attempts: 1,
  items: [],
} as unknown as InboxGroup // The brands of its ids are made by parsers that need no test here.

test('the inbox says why, what is lost, and takes a discard back', async () => {
  const undo = vi.fn(async () => {})
  const discard = vi.fn(async () => ({ undo }))
  const fix = vi.fn()
  const inbox = (groups: readonly InboxGroup[]) => (
    <InboxGroups
      speech={speech}
      groups={groups}
      nameOf={() => 'Hana'}
      WithRecord={({ children }) => children({ kind: 'known', values: null })}
      pending={0}
      fixOf={() => fix}
      onRetry={async () => {}}
      onBringBack={async () => {}}
      onSendNow={async () => {}}
      onDiscard={discard}
      onExport={async () => ({ name: 'refused.json', text: '{}' })}
    />
  )
  const group = { ...refused, items: [refused] }
  root.render(inbox([group]))
  const card = page.getByRole('region', { name: 'New lead: Hana' })
  await reads(card, /Budget must be at least 0\./)
  await expect.element(card.getByText('INVALID_VALUE · budget')).not.toBeVisible()
  await card.getByText('Details for support').click()
  await expect.element(card.getByText('INVALID_VALUE · budget')).toBeVisible()
  await card.getByRole('button', { name: 'Fix' }).click()
  expect(fix).toHaveBeenCalledWith(group)
  await card.getByRole('button', { name: 'Discard…' }).click()
  await reads(card, 'The new lead exists on this device only. It is kept for 14 days on this device, then deleted.')
  await expect.element(card.getByRole('button', { name: 'Discard' })).toHaveFocus()
  await userEvent.keyboard('{Enter}')
  await vi.waitFor(() => expect(discard).toHaveBeenCalledOnce())
  root.render(inbox([]))
  await page.getByRole('button', { name: 'Undo' }).click()
  expect(undo).toHaveBeenCalledOnce()
})

test('what was discarded is folded away, and taken back group by group', async () => {
  const group = { ...refused, items: [refused], discardedAt: at }
  const other = { ...group, id: '9'.repeat(32), record: 'r2', discardedAt: null } as unknown as DiscardedGroup
  const takeBack = vi.fn(async () => {})
  const discarded = (groups: readonly DiscardedGroup[]) => (
    <DiscardedGroups speech={speech} groups={groups} nameOf={({ record }) => record} onTakeBack={takeBack} />
  )
  root.render(discarded([group, other]))
  const button = page.getByRole('button', { name: 'Take back' })
  await expect.element(page.getByText('Discarded (2)')).toBeVisible()
  await expect.element(button.first()).not.toBeInTheDocument()
  await page.getByText('Discarded (2)').click()
  await reads(page.getByRole('group'), /is kept for 14 days on this device, then deleted/)
  await button.last().click()
  expect(takeBack.mock.calls).toEqual([[other]])
  await reads(page.getByRole('status'), 'New lead is back.')
  root.render(discarded([]))
  await expect.element(page.getByText(/^Discarded/)).not.toBeInTheDocument()
})

test('what was sent again and is refused again says so, in place of what was said of the try', async () => {
  const group = { ...refused, items: [refused] }
  const other = { ...group, id: '9'.repeat(32), record: 'r2' } as unknown as InboxGroup
  const inbox = (groups: readonly InboxGroup[], pending: number) => (
    <InboxGroups
      speech={speech}
      groups={groups}
      nameOf={() => 'Hana'}
      WithRecord={({ children }) => children({ kind: 'known', values: null })}
      pending={pending}
      fixOf={() => null}
      onRetry={async () => {}}
      onBringBack={async () => {}}
      onSendNow={async () => {}}
      onDiscard={async () => ({ undo: async () => {} })}
      onExport={async () => ({ name: 'refused.json', text: '{}' })}
    />
  )
  root.render(inbox([group, other], 0))
  await page.getByRole('button', { name: 'Retry' }).first().click()
  await reads(page.getByRole('status'), 'New lead waits to be sent again.')
  root.render(inbox([other], 1))
  const later = { ...group, id: '8'.repeat(32) } as unknown as InboxGroup
  root.render(inbox([other, { ...later, items: [later] }], 0))
  await reads(page.getByRole('status'), /^New lead was refused again\. Budget must be at least 0\.$/)
  await vi.waitFor(() => expect(element.textContent?.match(/Refused again/g)).toHaveLength(1))
  // Once more, and this time it is taken: nothing is left to be said.
  await page.getByRole('button', { name: 'Retry' }).nth(1).click()
  await reads(page.getByRole('status'), 'New lead waits to be sent again.')
  root.render(inbox([other], 1))
  await vi.waitFor(() => expect(element.querySelectorAll('section')).toHaveLength(1))
  root.render(inbox([other], 0))
  await vi.waitFor(() => expect(page.getByRole('status').element().textContent).toBe(''))
})

test('a change of a deleted record is no dead end: the record is brought back, then the change is sent as of now', async () => {
  const gone = {
    ...refused,
    kind: 'update',
    fields: { stage: 'won' },
    was: { stage: 'new' },
    code: 'RECORD_DELETED',
    field: null,
    problem: '',
  } as unknown as InboxGroup
  const group = { ...gone, items: [gone] }
  const back = vi.fn(async () => {})
  const now = vi.fn(async () => {})
  const inbox = (isHere: boolean) => (
    <InboxGroups
      speech={speech}
      groups={[group]}
      nameOf={() => 'Hana'}
      WithRecord={({ children }) => children({ kind: 'known', values: isHere ? { stage: 'new' } : null })}
      pending={0}
      fixOf={() => () => {}}
      onRetry={async () => {}}
      onBringBack={back}
      onSendNow={now}
      onDiscard={async () => ({ undo: async () => {} })}
      onExport={async () => ({ name: 'refused.json', text: '{}' })}
    />
  )
  root.render(inbox(false))
  const card = page.getByRole('region', { name: 'Change of a lead: Hana' })
  await reads(card, /Somebody deleted this lead before your change arrived.*You can bring the lead back/)
  expect(card.getByRole('button', { name: /Fix|Retry/ }).elements()).toEqual([])
  await card.getByRole('button', { name: 'Bring it back' }).click()
  expect(back).toHaveBeenCalledWith(group)
  root.render(inbox(true))
  await card.getByRole('button', { name: 'Send my change again' }).click()
  expect(now).toHaveBeenCalledWith(group)
})

test('the history tells who stands over whom and why, and puts back what was dropped', async () => {
  const decision: DecisionItem = {
    id: 'd',
    collection: 'leads',
    record: 'r1',
    field: 'stage',
    version: 3,
    operation: '2',
    strategy: 'lww',
    winner: 'local',
    base: 'new',
    local: 'visit',
    remote: 'won',
    result: 'visit',
    localBy: { ...amal, user: 'hana' },
    remoteBy: amal,
    settledBy: null,
    decidedAt: at,
    dropped: ['remote'],
  } as unknown as DecisionItem // As above.
  const undone = vi.fn()
  const write = (): Write<void> => {
    const saved = Promise.resolve()
    // biome-ignore lint/suspicious/noThenProperty: a Write is a PromiseLike.
    return { then: saved.then.bind(saved), settled: Promise.resolve([]), undo: () => undone() ?? write() }
  }
  const restore = vi.fn(write)
  const list = (stage: string) => (
    <DecisionList
      speech={speech}
      decisions={[decision]}
      shown={{ kind: 'known', values: { stage } }}
      onRestore={restore}
    />
  )
  root.render(list('visit'))
  await reads(
    page.getByRole('list', { name: 'Decisions' }),
    /^Stage: Mona Saad’s Visit of .* was kept over your Won of .*: it was written later\./,
  )
  await page.getByRole('button', { name: 'Put back your Won' }).click()
  expect(restore).toHaveBeenCalledWith(decision, 'remote')
  // What the record shows is not offered to be put back, and the focus goes where it can be undone.
  root.render(list('won'))
  await vi.waitFor(() => expect(page.getByRole('button', { name: /Put back/ }).elements()).toEqual([]))
  await page.getByRole('button', { name: 'Undo' }).click()
  await vi.waitFor(() => expect(undone).toHaveBeenCalledOnce())
})
