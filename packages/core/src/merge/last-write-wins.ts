/** Last write wins: the higher stamp stands. A stamp holds corrected time, counter and device, so no two are equal. */
export function lastWriteWins(
  current: { readonly stamp: string },
  incoming: { readonly stamp: string },
): 'current' | 'incoming' {
  return incoming.stamp > current.stamp ? 'incoming' : 'current'
}
