/** One call after the other, each timed in milliseconds. */
export async function eachTimed<T>(
  items: readonly T[],
  call: (item: T) => Promise<unknown>,
): Promise<readonly number[]> {
  const times: number[] = []
  for (const item of items) {
    const start = performance.now()
    await call(item)
    times.push(performance.now() - start)
  }
  return times
}
