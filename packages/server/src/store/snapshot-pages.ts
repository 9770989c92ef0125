/** Page after page, until there are no more; each is read when it is asked for. */
import type { Page, PageRequest } from '../ports/server-store.ts'

export async function* pagesFrom(
  request: PageRequest,
  read: (request: PageRequest) => Promise<Page>,
): AsyncGenerator<Page> {
  let next = request
  for (;;) {
    const page = await read(next)
    yield page
    if (!page.more) return
    const { positions, leaving, seen } = page
    next = { ...next, positions, leaving, seen }
  }
}
