/** The dedicated worker of wasm-opfs.web.test.ts: runs cases of the contract, or single calls, on the page's word. */
import { EngineError } from '@holdfast/core'
import { sqliteDriverCases } from '../contract/sqlite-driver.cases.ts'
import type { SqliteDriver, SqliteRow } from '../ports/sqlite-driver.ts'
import { openWasmMemory, openWasmOpfs } from './wasm-opfs.ts'

export type Request =
  | { readonly kind: 'case'; readonly name: string; readonly directory: string | null }
  | { readonly kind: 'open'; readonly directory: string }
  | { readonly kind: 'all'; readonly sql: string }
  | { readonly kind: 'close' }

export type Answer =
  | { readonly kind: 'done'; readonly rows: readonly SqliteRow[] }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

let driver: SqliteDriver | null = null

addEventListener('message', async ({ data }: MessageEvent<Request>) => {
  postMessage(await answer(data))
})

async function answer(request: Request): Promise<Answer> {
  try {
    return { kind: 'done', rows: await perform(request) }
  } catch (error) {
    const message = error instanceof Error ? `${error.stack}` : String(error)
    return { kind: 'failed', code: error instanceof EngineError ? error.code : 'BUG', message }
  }
}

async function perform(request: Request): Promise<readonly SqliteRow[]> {
  switch (request.kind) {
    case 'case':
      await runCase(request.name, request.directory)
      return []
    case 'open':
      driver = await openWasmOpfs({ directory: request.directory })
      return []
    case 'all':
      return driver?.all(request.sql) ?? []
    case 'close':
      driver?.close()
      return []
  }
}

async function runCase(name: string, directory: string | null): Promise<void> {
  const found = sqliteDriverCases.find((driverCase) => driverCase.name === name)
  if (found === undefined) throw new Error(`there is no case "${name}"`)
  await found.run(directory === null ? openWasmMemory : () => openWasmOpfs({ directory }))
}
