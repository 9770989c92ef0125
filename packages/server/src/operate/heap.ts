/**
 * How far the heap of `holdfast serve` may run ahead of what it holds. V8 grows by what the machine has: after one burst of 500 devices it
 * had 460 MB where 50 MB were in use, 128 MB of it for what is young. A server shares its machine with a database, so it collects
 * sooner: 220 to 252 MB, for a fifth to a third more processor time in a burst (`npm run bench -- burst`).
 */
import v8 from 'node:v8'

/** For the whole process: what somebody else's program does with its heap is not ours to say, so only our command calls this. */
export function boundHeap(): void {
  // What is young stays within the room that it starts with, 16 MiB.
  v8.setFlagsFromString('--semi-space-growth-factor=1')
  // What is old is collected when it has grown by so much since the last time.
  v8.setFlagsFromString('--heap-growing-percent=40')
}
