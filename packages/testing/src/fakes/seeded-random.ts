/** Randomness that a seed repeats: xoshiro128**, seeded by SplitMix32. UUIDs are version 7 of the given clock. */
import type { Clock, Random } from '@holdfast/client'

export function createSeededRandom(seed: number, clock: Pick<Clock, 'now'> = { now: () => 0 }): Random {
  let [a, b, c, d] = [split(seed), split(seed + 1), split(seed + 2), split(seed + 3)]
  let count = 0

  function bits(): number {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0
    const t = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = rotate(d, 11)
    return result
  }

  return {
    next: () => bits() / 2 ** 32,
    uuid() {
      // A counter after the time: two ids of one millisecond keep their order.
      count = (count + 1) % 0x1000
      const time = clock.now().toString(16).padStart(12, '0')
      const counter = count.toString(16).padStart(3, '0')
      const tail = `${hex(bits())}${hex(bits())}`
      const variant = ((Number.parseInt(tail.slice(0, 1), 16) & 0x3) | 0x8).toString(16)
      return `${time.slice(0, 8)}-${time.slice(8)}-7${counter}-${variant}${tail.slice(1, 4)}-${tail.slice(4, 16)}`
    },
  }
}

function split(seed: number): number {
  let z = (seed + 0x9e3779b9) | 0
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
  return (z ^ (z >>> 15)) >>> 0
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by))
}

function hex(bits: number): string {
  return bits.toString(16).padStart(8, '0')
}
