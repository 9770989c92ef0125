/** Throws when our own code broke its own law. Never caught but at a thread's top. */
export function assert(condition: boolean, law: string): asserts condition {
  if (!condition) throw new Error(`Holdfast broke its own law: ${law}`)
}

/** The default of an exhaustive switch: a forgotten case does not compile. */
export function unreachable(value: never): never {
  throw new Error(`Holdfast met a case that it does not know: ${JSON.stringify(value)}`)
}
