/** A store that answers small pages: a pull of several is had with a handful of rows. */
import type { StoreFactory } from '@holdfast/server'

export function inPages(factory: StoreFactory, rowsPerPage: number): StoreFactory {
  return (schema) => {
    const store = factory(schema)
    return { ...store, readPage: (request) => store.readPage({ ...request, rowsMax: rowsPerPage }) }
  }
}
