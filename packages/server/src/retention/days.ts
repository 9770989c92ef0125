/** Days since 1970, by the server's clock: what is forgotten is counted in them. */
export const dayMs = 86_400_000

export function dayOf(atMs: number): number {
  return Math.floor(atMs / dayMs)
}
