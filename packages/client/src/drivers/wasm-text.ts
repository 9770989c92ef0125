/** Text in the memory of WebAssembly: written so that SQLite can read it in place, without a copy per value. */
import type { WASM_API } from '@sqlite.org/sqlite-wasm'

export interface PlacedText {
  readonly pointer: number
  readonly byteLength: number
}

/** A place for the texts of one call. What was put is valid until `clear`, so it is bound as SQLITE_STATIC. */
export interface TextArena {
  put(text: string): PlacedText
  clear(): void
  /** Gives the memory back; the arena may not be used again. */
  free(): void
}

/** Kept for good; holds every call but those that carry a page of rows. */
const keptBytes = 64 * 1024

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { ignoreBOM: true }) // Means "leave a leading U+FEFF where it is".

export function createTextArena(wasm: WASM_API): TextArena {
  const kept = wasm.alloc(keptBytes)
  const large: number[] = []
  let used = 0

  return {
    put(text) {
      if (text.length * 3 > keptBytes - used) {
        const placed = placeLarge(wasm, text)
        large.push(placed.pointer)
        return placed
      }
      const pointer = kept + used
      const { written } = encoder.encodeInto(text, wasm.heap8u().subarray(pointer, kept + keptBytes))
      used += written
      return { pointer, byteLength: written }
    },
    clear() {
      used = 0
      for (const pointer of large.splice(0)) wasm.dealloc(pointer)
    },
    free: () => wasm.dealloc(kept),
  }
}

export function readText(wasm: WASM_API, pointer: number, byteLength: number): string {
  return decoder.decode(wasm.heap8u().subarray(pointer, pointer + byteLength))
}

// A unit of a JavaScript string takes up to 3 bytes of UTF-8, yet most of our text is ASCII, and memory of WebAssembly that
// was once used is never given back. So start with little more than one byte a unit, and grow for what did not fit.
function placeLarge(wasm: WASM_API, text: string): PlacedText {
  const capacity = text.length + Math.ceil(text.length / 8)
  const pointer = wasm.alloc(capacity)
  const first = encoder.encodeInto(text, wasm.heap8u().subarray(pointer, pointer + capacity))
  if (first.read === text.length) return { pointer, byteLength: first.written }
  return placeRest(wasm, text, { pointer, ...first })
}

interface Begun {
  readonly pointer: number
  readonly read: number
  readonly written: number
}

function placeRest(wasm: WASM_API, text: string, begun: Begun): PlacedText {
  const capacity = begun.written + (text.length - begun.read) * 3
  const pointer = grow(wasm, begun.pointer, capacity)
  const rest = wasm.heap8u().subarray(pointer + begun.written, pointer + capacity)
  return { pointer, byteLength: begun.written + encoder.encodeInto(text.slice(begun.read), rest).written }
}

function grow(wasm: WASM_API, pointer: number, byteLength: number): number {
  try {
    return wasm.realloc(pointer, byteLength)
  } catch (error) {
    wasm.dealloc(pointer) // A failed realloc leaves the old block in place.
    throw error
  }
}
