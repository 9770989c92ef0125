import type { Client, ConflictItem, LiveAnswer, SyncStatus, Write } from '@holdfast/client'
import { collection, defineSchema, t } from '@holdfast/core'
import { type ReactNode, StrictMode } from 'react'
import { createRoot, type Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, expect, expectTypeOf, test, vi } from 'vitest'
import { MergeScreen } from './conflicts/merge-screen.tsx'
import { createHooks } from './create-hooks.tsx'
import { SyncBadge } from './sync/sync-badge.tsx'

const schema = defineSchema({
  version: 1,
  collections: { notes: collection({ fields: { text: t.text(), done: t.boolean({ default: false }) } }) },
})
type Notes = typeof schema

const { Provider, useLiveQuery, useRow, useWrite, useSignOut } = createHooks(schema)

interface Watched {
  readonly answer: (answer: LiveAnswer<unknown>) => void
  ended: boolean
}

/** A client whose answers a test gives by hand. */
function createFakeClient() {
  const watched: Watched[] = []
  const statusListeners = new Set<(status: SyncStatus) => void>()
  const conflictListeners = new Set<(items: readonly ConflictItem[]) => void>()
  const leavesListeners = new Set<(leaves: number) => void>()
  const settled: unknown[] = []
  let status: SyncStatus = idle
  const updated: unknown[] = []
  const writer = {
    create: () => unused(),
    update: (id: string, patch: object) => {
      updated.push([id, patch])
      return done()
    },
    increment: () => unused(),
    add: () => unused(),
    remove: () => unused(),
    edit: () => unused(),
    delete: () => unused(),
    restore: () => unused(),
  }
  const client: Client<Notes> = {
    user: 'mona',
    notes: writer,
    write: () => unused(),
    query: async () => [],
    watch: (_build, listener) => {
      const entry: Watched = {
        answer: (answer) => listener(answer as LiveAnswer<never>),
        ended: false,
      }
      watched.push(entry)
      return () => {
        entry.ended = true
      }
    },
    search: async () => [],
    sync: {
      get status() {
        return status
      },
      watch: (listener) => {
        statusListeners.add(listener)
        return () => statusListeners.delete(listener)
      },
      now: async () => {},
      pause: async () => {},
      resume: async () => {},
      dismissNotice: async () => {},
      watchLeaves: (listener) => {
        listener(0)
        leavesListeners.add(listener)
        return () => leavesListeners.delete(listener)
      },
      waiting: async () => [],
    },
    inbox: {
      list: async () => [],
      watch: () => () => {},
      retry: unused,
      fix: unused,
      discard: unused,
      discarded: async () => [],
      watchDiscarded: () => () => {},
      takeBack: unused,
      export: unused,
    },
    conflicts: {
      list: async () => [],
      watch: (listener) => {
        conflictListeners.add(listener)
        return () => conflictListeners.delete(listener)
      },
      settle: (results) => {
        settled.push(results)
        return done()
      },
    },
    history: { list: async () => [], watch: () => () => {}, restore: unused, explain: unused },
    rescue: { export: unused },
    kv: { get: async () => null, set: async () => {}, watch: () => () => {} },
    signOut: async () => ({ kept: 0 }),
    close: async () => {},
  }
  return {
    client,
    watched,
    updated,
    settled,
    setConflicts(items: readonly ConflictItem[]) {
      for (const listener of conflictListeners) listener(items)
    },
    setLeaves(leaves: number) {
      for (const listener of leavesListeners) listener(leaves)
    },
    setStatus(next: SyncStatus) {
      status = next
      for (const listener of statusListeners) listener(next)
    },
  }
}

const idle: SyncStatus = {
  kind: 'idle',
  lastSyncedAt: 1,
  pending: 0,
  refused: 0,
  conflicts: 0,
  completeness: 'complete',
  progress: null,
  notice: null,
  storage: 'durable',
  queueCopy: 'kept',
  persisted: true,
  lastError: null,
}

function unused(): never {
  throw new Error('not used by these tests')
}

function done(): Write<void> {
  const saved = Promise.resolve()
  // biome-ignore lint/suspicious/noThenProperty: a Write is a PromiseLike.
  return { then: saved.then.bind(saved), settled: Promise.resolve([]), undo: done }
}

let root: Root
let page: HTMLElement

beforeEach(() => {
  localStorage.clear()
  page = document.body.appendChild(document.createElement('div'))
  root = createRoot(page)
})

afterEach(() => {
  root.unmount()
  page.remove()
})

function Texts({ word = '' }: { readonly word?: string }): ReactNode {
  const { rows, status } = useLiveQuery((q) => q.selectFrom('notes').select('text').where('text', '=', word))
  return `${status}: ${rows.map(({ text }) => text).join(', ')}`
}

async function shows(text: string): Promise<void> {
  await vi.waitFor(() => expect(page.textContent).toBe(text))
}

test('two components with the same query share one subscription, and each render keeps it', async () => {
  const { client, watched } = createFakeClient()
  const tree = (
    <StrictMode>
      <Provider client={client} user="mona">
        <Texts />; <Texts />
      </Provider>
    </StrictMode>
  )
  root.render(tree)
  await shows('loading: ; loading: ')
  watched[0]?.answer({ rows: [{ text: 'one' }], completeness: 'complete' })
  await shows('complete: one; complete: one')
  root.render(tree)
  await shows('complete: one; complete: one')
  expect(watched).toHaveLength(1)
})

test('empty before the first page is loading; during the first sync it is partial', async () => {
  const { client, watched } = createFakeClient()
  root.render(
    <Provider client={client} user="mona">
      <Texts />
    </Provider>,
  )
  await vi.waitFor(() => expect(watched).toHaveLength(1))
  watched[0]?.answer({ rows: [], completeness: 'empty' })
  await shows('loading: ')
  watched[0]?.answer({ rows: [], completeness: 'partial' })
  await shows('partial: ')
})

test('a screen that is opened again paints its last answer at once', async () => {
  const { client, watched } = createFakeClient()
  const screen = (child: ReactNode): ReactNode => (
    <Provider client={client} user="mona">
      {child}
    </Provider>
  )
  root.render(screen(<Texts />))
  await vi.waitFor(() => expect(watched).toHaveLength(1))
  watched[0]?.answer({ rows: [{ text: 'one' }], completeness: 'complete' })
  await shows('complete: one')
  root.render(screen(null))
  await vi.waitFor(() => expect(watched[0]?.ended).toBe(true), { timeout: 4_000 })
  root.render(screen(<Texts />))
  await shows('loading: one')
})

test('after a reload the last answer stands before the database has opened; sign-out forgets it', async () => {
  const first = createFakeClient()
  root.render(
    <Provider client={first.client} user="mona">
      <Texts />
    </Provider>,
  )
  await vi.waitFor(() => expect(first.watched).toHaveLength(1))
  first.watched[0]?.answer({ rows: [{ text: 'one' }], completeness: 'complete' })
  await shows('complete: one')
  dispatchEvent(new Event('pagehide'))

  root.unmount()
  root = createRoot(page)
  const opening = Promise.withResolvers<Client<Notes>>()
  let signOut = (): Promise<unknown> => Promise.resolve()
  function SignOut(): ReactNode {
    signOut = useSignOut()
    return null
  }
  root.render(
    <Provider client={opening.promise} user="mona">
      <Texts />
      <SignOut />
    </Provider>,
  )
  await shows('loading: one')
  opening.resolve(createFakeClient().client)
  await signOut()
  expect(JSON.stringify({ ...localStorage })).not.toContain('one')
})

test('[I-23] what was remembered of answers is forgotten when records have left the device', async () => {
  const { client, watched, setLeaves } = createFakeClient()
  const screen = (child: ReactNode): ReactNode => (
    <Provider client={client} user="mona">
      {child}
    </Provider>
  )
  root.render(screen(<Texts />))
  await vi.waitFor(() => expect(watched).toHaveLength(1))
  watched[0]?.answer({ rows: [{ text: 'one' }], completeness: 'complete' })
  await shows('complete: one')
  dispatchEvent(new Event('pagehide'))
  expect(JSON.stringify({ ...localStorage })).toContain('one')
  root.render(screen(null))
  await vi.waitFor(() => expect(watched[0]?.ended).toBe(true), { timeout: 4_000 })
  setLeaves(1)
  expect(JSON.stringify({ ...localStorage })).not.toContain('one')
  root.render(screen(<Texts />))
  await shows('loading: ')
  watched.at(-1)?.answer({ rows: [{ text: 'two' }], completeness: 'complete' })
  await shows('complete: two')
  setLeaves(1)
  dispatchEvent(new Event('pagehide'))
  expect(JSON.stringify({ ...localStorage })).toContain('two')
})

test('a write to a client that still opens waits for it', async () => {
  const { client, updated } = createFakeClient()
  const opening = Promise.withResolvers<Client<Notes>>()
  let change: () => Write<void> = unused
  function Writer(): ReactNode {
    const write = useWrite()
    change = () => write((db) => db.notes.update('1', { text: 'two' }))
    return null
  }
  root.render(
    <Provider client={opening.promise} user="mona">
      <Writer />
    </Provider>,
  )
  await vi.waitFor(() => expect(change).not.toBe(unused))
  const saved = change()
  expect(updated).toEqual([])
  opening.resolve(client)
  await saved
  expect(updated).toEqual([['1', { text: 'two' }]])
  await expect(saved.settled).resolves.toEqual([])
})

test('on a server every query is empty and loading', () => {
  const { client } = createFakeClient()
  expect(
    renderToString(
      <Provider client={client} user="mona">
        <Texts />
      </Provider>,
    ),
  ).toContain('loading')
})

test('the badge never says synced while something waits', async () => {
  const { client, setStatus } = createFakeClient()
  root.render(
    <Provider client={client} user="mona">
      <SyncBadge />
    </Provider>,
  )
  const badge = (): string => page.querySelector('button')?.textContent ?? ''
  await vi.waitFor(() => expect(badge()).toBe('Synced'))
  const words: readonly (readonly [Partial<SyncStatus>, string])[] = [
    [{ pending: 1 }, 'Saved on this device'],
    [{ kind: 'syncing', pending: 1 }, 'Saved on this device'],
    [{ kind: 'offline', pending: 3 }, 'Offline · 3 waiting'],
    [{ kind: 'waiting', pending: 3, retryAtMs: 0 }, '3 waiting'],
    [{ refused: 1 }, '1 refused'],
    [{}, 'Synced'],
  ]
  for (const [change, word] of words) {
    setStatus({ ...idle, ...change } as SyncStatus)
    await vi.waitFor(() => expect(badge()).toBe(word))
  }
})

test('the merge screen shows the conflicts of its record and saves what was decided; settled elsewhere it says so', async () => {
  const by = { user: 'amal', device: 'd', at: 1, correctedAt: 1 }
  const conflict: ConflictItem = {
    id: 'c1',
    collection: 'notes',
    record: 'r1',
    field: 'text',
    revision: 1,
    base: '',
    local: 'mine',
    remote: 'theirs',
    localBy: by,
    remoteBy: by,
    isOwn: true,
    openedAt: 1,
  }
  const { client, setConflicts, settled } = createFakeClient()
  const saved = vi.fn()
  root.render(
    <Provider client={client} user="mona">
      <MergeScreen collection="notes" record="r1" onSaved={saved} onLater={() => {}} />
    </Provider>,
  )
  await shows('Looking for what is to be decided.')
  await vi.waitFor(() => {
    setConflicts([conflict, { ...conflict, id: 'c2', record: 'r2' }])
    expect(page.querySelectorAll('fieldset')).toHaveLength(1)
  })
  page.querySelector<HTMLElement>('[type=radio]')?.click()
  await vi.waitFor(() => expect(page.querySelector('[type=submit]')?.getAttribute('aria-disabled')).toBe('false'))
  page.querySelector<HTMLElement>('[type=submit]')?.click()
  await vi.waitFor(() => expect(saved).toHaveBeenCalledOnce())
  expect(settled).toEqual([{ c1: 'mine' }])

  root.render(
    <Provider client={client} user="mona">
      <MergeScreen key="again" collection="notes" record="r1" onSaved={saved} onLater={() => {}} />
    </Provider>,
  )
  await vi.waitFor(() => expect(page.querySelectorAll('[type=radio]:not(:checked)')).toHaveLength(2))
  setConflicts([])
  await shows('Settled meanwhile, by somebody else or on another device.')
})

test('rows have the types of the schema', () => {
  function Typed(): null {
    expectTypeOf(useRow('notes', '1').row?.done).toEqualTypeOf<boolean | undefined>()
    expectTypeOf(useRow('notes', '1').row?.$pending).toEqualTypeOf<readonly string[] | null | undefined>()
    // @ts-expect-error: the schema has no such collection.
    useRow('leads', '1')
    return null
  }
  expect(Typed).toBeTypeOf('function')
})
