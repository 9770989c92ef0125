/** What a cold start measures, counted from the start of the navigation. */

export interface ColdTimes {
  /** The first list on screen, from wherever. */
  readonly listMs: number
  /** The list from the database on screen. */
  readonly databaseMs: number
}

declare global {
  var holdfastCold: Promise<ColdTimes>
}

export const coldQuery = { owner: 'agent-7', stage: 'visit' } as const
export const identityKey = 'bench:identity'
export const rawDirectoryKey = 'bench:raw-directory'

/** Paints the list as plainly as can be. */
export function paint(names: readonly unknown[]): void {
  const list = document.getElementById('list')
  list?.replaceChildren(
    ...names.map((name) => Object.assign(document.createElement('li'), { textContent: String(name) })),
  )
}
