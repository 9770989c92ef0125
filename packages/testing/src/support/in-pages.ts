/** A store that answers small pages, and makes snapshots of small parts: a pull of several is had with a handful of rows. */
import type { StoreFactory } from '@holdfast/server'

export function inPages(factory: StoreFactory, rowsPerPage: number): StoreFactory {
  return (schema) => {
    const store = factory(schema)
    return {
      ...store,
      readPage: (request) => store.readPage({ ...request, rowsMax: rowsPerPage }),
      snapshots: () => {
        const shelf = store.snapshots()
        return {
          ...shelf,
          make: ({ key, request }, press) => shelf.make({ key, request: { ...request, rowsMax: rowsPerPage } }, press),
        }
      },
    }
  }
}
