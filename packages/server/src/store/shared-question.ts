/**
 * One question for all who ask at once: an answer is given to those who asked before it was begun. Who asks while one is under way gets
 * the next, so that nobody is told what was true before the question. Under load one question runs at a time, whatever the number of askers.
 */
export function sharedQuestion<T>(ask: () => Promise<T>): () => Promise<T> {
  let next: Promise<T> | null = null
  let last: Promise<unknown> = Promise.resolve()
  const begin = (): Promise<T> => {
    next = null
    const answer = ask()
    last = answer.catch(() => undefined)
    return answer
  }
  return () => {
    next ??= last.then(begin)
    return next
  }
}
