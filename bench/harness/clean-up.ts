/** What a bench started or wrote, ended and removed after it, whether it succeeded or not. */

const tasks: (() => unknown)[] = []

/** Run in the reverse order of their naming, so that a server ends before its directory goes. */
export function afterBench(task: () => unknown): void {
  tasks.push(task)
}

export async function cleanUp(): Promise<void> {
  for (const task of tasks.splice(0).reverse()) {
    try {
      await task()
    } catch (error) {
      console.error('Cleaning up:', error)
    }
  }
}
