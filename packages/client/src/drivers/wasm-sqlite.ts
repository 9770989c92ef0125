/**
 * SQLite in WebAssembly, reached by the functions of C.
 *
 * The object-oriented layer of sqlite-wasm converts and copies each value, which costs more than SQLite's own work where a page
 * of rows comes as one JSON text of megabytes. Here a text is encoded once, straight into the memory where SQLite reads it.
 */
import type { Sqlite3Static } from '@sqlite.org/sqlite-wasm'
import type { SqliteRow, SqliteValue } from '../ports/sqlite-driver.ts'
import type { Connection, Statement } from './connection.ts'
import { createTextArena, readText, type TextArena } from './wasm-text.ts'

export interface WasmFile {
  readonly name: string
  /** The name of the VFS that keeps the file, or null for SQLite's own, which is memory. */
  readonly vfs: string | null
  /** Takes the last error of the VFS: SQLite itself passes on a number only. */
  readonly takeFault: () => unknown
  /** Called after SQLite has closed the file. */
  readonly release: () => void
}

/** The subset that we call of what the binary exports, as C declares it: pointers and lengths are numbers. */
interface SqliteExports {
  sqlite3_open_v2(name: number, outDatabase: number, flags: number, vfs: number): number
  sqlite3_close_v2(database: number): number
  sqlite3_errmsg(database: number): number
  sqlite3_extended_errcode(database: number): number
  sqlite3_exec(database: number, sql: number, callback: number, argument: number, outMessage: number): number
  sqlite3_get_autocommit(database: number): number
  sqlite3_changes(database: number): number
  sqlite3_prepare_v3(
    database: number,
    sql: number,
    n: number,
    flags: number,
    outStatement: number,
    tail: number,
  ): number
  sqlite3_step(statement: number): number
  sqlite3_reset(statement: number): number
  sqlite3_clear_bindings(statement: number): number
  sqlite3_finalize(statement: number): number
  sqlite3_bind_parameter_count(statement: number): number
  sqlite3_bind_null(statement: number, index: number): number
  sqlite3_bind_int(statement: number, index: number, value: number): number
  sqlite3_bind_int64(statement: number, index: number, value: bigint): number
  sqlite3_bind_double(statement: number, index: number, value: number): number
  sqlite3_bind_text(statement: number, index: number, text: number, byteLength: number, destructor: number): number
  sqlite3_column_count(statement: number): number
  sqlite3_column_name(statement: number, index: number): number
  sqlite3_data_count(statement: number): number
  sqlite3_column_type(statement: number, index: number): number
  sqlite3_column_double(statement: number, index: number): number
  sqlite3_column_text(statement: number, index: number): number
  sqlite3_column_bytes(statement: number, index: number): number
  sqlite3_create_function_v2(
    database: number,
    name: number,
    argumentCount: number,
    flags: number,
    data: number,
    call: number,
    step: number,
    final: number,
    destroy: number,
  ): number
  sqlite3_value_type(value: number): number
  sqlite3_value_text(value: number): number
  sqlite3_value_bytes(value: number): number
  sqlite3_result_text(context: number, text: number, byteLength: number, destructor: number): void
  sqlite3_result_error(context: number, message: number, byteLength: number): void
}

/** What all functions of one connection share. */
interface Binding extends Pick<Sqlite3Static, 'capi' | 'wasm'> {
  readonly c: SqliteExports
  readonly database: number
  readonly arena: TextArena
  /** Throws unless `result` is SQLITE_OK. */
  check(result: number): void
  fail(): never
}

const destructorStatic = 0
const destructorTransient = -1
const pointerBytes = 4

export function connectWasm(sqlite3: Sqlite3Static, file: WasmFile): Connection {
  const { capi, wasm } = sqlite3
  const c: SqliteExports = wasm.exports
  const arena = createTextArena(wasm)
  const database = openDatabase()
  const binding: Binding = { capi, wasm, c, database, arena, check, fail }
  const functions = createFunctions(binding)

  function openDatabase(): number {
    const flags = capi.SQLITE_OPEN_READWRITE | capi.SQLITE_OPEN_CREATE
    const out = wasm.alloc(pointerBytes)
    try {
      const vfs = file.vfs === null ? 0 : arena.put(`${file.vfs}\0`).pointer
      const result = c.sqlite3_open_v2(arena.put(`${file.name}\0`).pointer, out, flags, vfs)
      const opened = wasm.peekPtr(out)
      if (result === capi.SQLITE_OK) return opened
      c.sqlite3_close_v2(opened) // SQLite answers a connection even where it could not open.
      arena.free()
      throw failure(result, `cannot open ${file.name}`)
    } finally {
      arena.clear()
      wasm.dealloc(out)
    }
  }

  function failure(errcode: number, message: string): Error {
    return Object.assign(new Error(message, { cause: file.takeFault() }), { errcode })
  }

  function check(result: number): void {
    if (result !== capi.SQLITE_OK) fail()
  }

  function fail(): never {
    const thrown = functions.takeThrown()
    if (thrown !== null) throw thrown
    const message = wasm.cstrToJs(c.sqlite3_errmsg(database)) ?? 'no message'
    throw failure(c.sqlite3_extended_errcode(database), message)
  }

  return {
    exec(sql) {
      try {
        check(c.sqlite3_exec(database, arena.put(`${sql}\0`).pointer, 0, 0, 0))
      } finally {
        arena.clear()
      }
    },
    prepare: (sql) => prepare(binding, sql),
    isTransaction: () => c.sqlite3_get_autocommit(database) === 0,
    defineFunction: functions.define,
    close() {
      c.sqlite3_close_v2(database) // Always succeeds; what it could not move out of the WAL stays there, safe.
      functions.free()
      arena.free()
      file.release()
    },
  }
}

function prepare(binding: Binding, sql: string): Statement {
  const { capi, wasm, c, database, arena } = binding
  const handle = compile(binding, sql)
  const parameterCount = c.sqlite3_bind_parameter_count(handle)

  function withBound<T>(parameters: readonly SqliteValue[], use: () => T): T {
    if (parameters.length !== parameterCount) {
      throw new Error(`${parameterCount} parameters are needed, ${parameters.length} were given`)
    }
    try {
      for (const [index, value] of parameters.entries())
        binding.check(bind(binding, handle, { index: index + 1, value }))
      return use()
    } finally {
      c.sqlite3_reset(handle)
      c.sqlite3_clear_bindings(handle) // The texts that are bound are about to go.
      arena.clear()
    }
  }

  function step(): boolean {
    const result = c.sqlite3_step(handle)
    if (result === capi.SQLITE_ROW) return true
    if (result !== capi.SQLITE_DONE) binding.fail()
    return false
  }

  return {
    run: (parameters) =>
      withBound(parameters, () => {
        let hasRow = step()
        while (hasRow) hasRow = step()
        return c.sqlite3_changes(database)
      }),
    all: (parameters) =>
      withBound(parameters, () => {
        const rows: SqliteRow[] = []
        while (step()) rows.push(readRow(binding, handle))
        return rows
      }),
    columns() {
      const names: string[] = []
      for (let index = 0; index < c.sqlite3_column_count(handle); index += 1) {
        names.push(wasm.cstrToJs(c.sqlite3_column_name(handle, index)) ?? '')
      }
      return names
    },
    finalize: () => void c.sqlite3_finalize(handle),
  }
}

function compile(binding: Binding, sql: string): number {
  const { capi, wasm, c, database, arena } = binding
  const out = wasm.alloc(pointerBytes)
  try {
    const { pointer, byteLength } = arena.put(`${sql}\0`)
    binding.check(c.sqlite3_prepare_v3(database, pointer, byteLength, capi.SQLITE_PREPARE_PERSISTENT, out, 0))
    const handle = wasm.peekPtr(out)
    if (handle === 0) throw new Error('there is no statement in it')
    return handle
  } finally {
    arena.clear()
    wasm.dealloc(out)
  }
}

interface Parameter {
  /** From 1. */
  readonly index: number
  readonly value: SqliteValue
}

function bind({ c, arena }: Binding, handle: number, { index, value }: Parameter): number {
  if (value === null) return c.sqlite3_bind_null(handle, index)
  if (typeof value === 'string') {
    const { pointer, byteLength } = arena.put(value)
    return c.sqlite3_bind_text(handle, index, pointer, byteLength, destructorStatic)
  }
  if ((value | 0) === value) return c.sqlite3_bind_int(handle, index, value)
  if (Number.isSafeInteger(value)) return c.sqlite3_bind_int64(handle, index, BigInt(value))
  return c.sqlite3_bind_double(handle, index, value)
}

function readRow(binding: Binding, handle: number): SqliteRow {
  const row: SqliteValue[] = []
  // Counted per row: SQLite compiles a kept statement again by itself after the schema has changed.
  const count = binding.c.sqlite3_data_count(handle)
  for (let index = 0; index < count; index += 1) row.push(readColumn(binding, handle, index))
  return row
}

function readColumn({ capi, wasm, c }: Binding, handle: number, index: number): SqliteValue {
  switch (c.sqlite3_column_type(handle, index)) {
    case capi.SQLITE_NULL:
      return null
    case capi.SQLITE_TEXT: {
      const pointer = c.sqlite3_column_text(handle, index) // First: it may convert, and so change the length.
      return readText(wasm, pointer, c.sqlite3_column_bytes(handle, index))
    }
    case capi.SQLITE_INTEGER: {
      const value = c.sqlite3_column_double(handle, index) // Exact within 2^53, and without a bigint on the way.
      if (!Number.isSafeInteger(value)) throw new Error('an integer beyond 2^53 was read')
      return value
    }
    case capi.SQLITE_FLOAT:
      return c.sqlite3_column_double(handle, index)
    default:
      throw new Error('a blob was read')
  }
}

interface Functions {
  define(name: string, body: (text: string) => string): void
  /** Takes what the body of a function threw while the last statement ran, or null. */
  takeThrown(): Error | null
  free(): void
}

/** The functions that SQL calls. Their own arena: a call comes while the texts of its statement are still in use. */
function createFunctions({ capi, wasm, c, database, check }: Omit<Binding, 'arena' | 'fail'>): Functions {
  const arena = createTextArena(wasm)
  const installed: number[] = []
  let thrown: Error | null = null

  function call(body: (text: string) => string, context: number, values: number): void {
    try {
      const { pointer, byteLength } = arena.put(body(readArgument(wasm.peekPtr(values))))
      c.sqlite3_result_text(context, pointer, byteLength, destructorTransient)
    } catch (error) {
      // An exception may not cross the frames of C: it is kept here, and thrown when the statement has failed.
      thrown = error instanceof Error ? error : new Error(String(error))
      const { pointer, byteLength } = arena.put(thrown.message)
      c.sqlite3_result_error(context, pointer, byteLength)
    } finally {
      arena.clear()
    }
  }

  function readArgument(value: number): string {
    if (c.sqlite3_value_type(value) === capi.SQLITE_NULL) return ''
    const pointer = c.sqlite3_value_text(value)
    return readText(wasm, pointer, c.sqlite3_value_bytes(value))
  }

  return {
    define(name, body) {
      const signature = 'vpip' // void (context, argument count, arguments)
      const pointer = wasm.installFunction(signature, (context: number, _count: number, values: number) =>
        call(body, context, values),
      )
      installed.push(pointer)
      const flags = capi.SQLITE_UTF8 | capi.SQLITE_DETERMINISTIC
      try {
        check(c.sqlite3_create_function_v2(database, arena.put(`${name}\0`).pointer, 1, flags, 0, pointer, 0, 0, 0))
      } finally {
        arena.clear()
      }
    },
    takeThrown() {
      const taken = thrown
      thrown = null
      return taken
    },
    free() {
      for (const pointer of installed.splice(0)) wasm.uninstallFunction(pointer)
      arena.free()
    },
  }
}
