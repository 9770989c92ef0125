/** The copy's name in IndexedDB, by that of the user's database. */
export function queueCopyName(database: string): string {
  return `holdfast-${database}`
}
