/** Settings of this device, as JSON texts by key; they are not synced. */
import type { SqliteDriver } from '../ports/sqlite-driver.ts'

export function readKey(driver: SqliteDriver, key: string): string | null {
  const value = driver.all(selectValue, [key])[0]?.[0]
  return value === undefined ? null : String(value)
}

/** null deletes. */
export function writeKey(driver: SqliteDriver, key: string, value: string | null): void {
  if (value === null) driver.run(deleteKey, [key])
  else driver.run(upsertKey, [key, value])
}

const selectValue = 'select value from _kv where key = ?'
const upsertKey = 'insert into _kv (key, value) values (?, ?) on conflict (key) do update set value = excluded.value'
const deleteKey = 'delete from _kv where key = ?'
