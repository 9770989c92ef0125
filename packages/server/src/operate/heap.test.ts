import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'

/** In a process of its own: the heap is the whole process's. Texts live for a while and are dropped, as in a burst. */
function committedMb(first: string): number {
  const program = `
    ${first}
    let kept = []
    for (let n = 0; n < 400_000; n += 1) {
      kept.push({ n, text: 'x'.repeat(50) + n })
      if (kept.length > 40_000) kept = []
    }
    const { getHeapStatistics } = await import('node:v8')
    console.log(getHeapStatistics().total_heap_size / 1048576)`
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['-C', '@holdfast/source', '--input-type=module', '-e', program],
    { encoding: 'utf8' },
  )
  if (stdout === '') throw new Error(stderr)
  return Number(stdout)
}

test('the heap does not run far ahead of what is held', () => {
  const url = new URL('./heap.ts', import.meta.url).href
  const bounded = committedMb(`(await import(${JSON.stringify(url)})).boundHeap()`)
  expect(bounded).toBeLessThan(committedMb('') - 16)
})
