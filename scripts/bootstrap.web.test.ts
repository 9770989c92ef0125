// What the replica in the browser stands on, in the very Chromium that the tests found.

import { expect, test } from 'vitest'

test('a dedicated worker writes and reads a file of the origin through a synchronous handle', async () => {
  expect(await runInWorker(roundTripJs)).toBe('held fast')
})

test('Web Locks elect one tab: a second holder has to wait', async () => {
  await navigator.locks.request('bootstrap', async () => {
    const second = await navigator.locks.request('bootstrap', { ifAvailable: true }, (lock) => lock)
    expect(second).toBeNull()
  })
})

/** As text, because the types of synchronous handles exist for workers only. */
const roundTripJs = `
  const directory = await navigator.storage.getDirectory()
  const file = await directory.getFileHandle('bootstrap', { create: true })
  const handle = await file.createSyncAccessHandle()
  handle.write(new TextEncoder().encode('held fast'), { at: 0 })
  handle.flush()
  const bytes = new Uint8Array(handle.getSize())
  handle.read(bytes, { at: 0 })
  handle.close()
  await directory.removeEntry('bootstrap')
  postMessage(new TextDecoder().decode(bytes))
`

function runInWorker(code: string): Promise<unknown> {
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
  const worker = new Worker(url, { type: 'module' })
  const answer = new Promise((resolve, reject) => {
    worker.onmessage = (event) => resolve(event.data)
    worker.onerror = (event) => reject(new Error(event.message))
  })
  return answer.finally(() => {
    worker.terminate()
    URL.revokeObjectURL(url)
  })
}
