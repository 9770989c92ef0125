/** Compression by what the other side accepts, of much off the event loop. Levels are for speed: a page is made once and read once. */
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip, gzipSync, zstdCompress, zstdCompressSync } from 'node:zlib'

export type Encoding = 'zstd' | 'br' | 'gzip'

export type Effort = 'fast' | 'small'

/** The best encoding of an accept-encoding header; null: send it as it is. */
export function chooseEncoding(accepted: string | null, offered: readonly Encoding[] = encodings): Encoding | null {
  const weights = new Map((accepted ?? '').split(',').map(parseWeight))
  const weightOf = (encoding: string) => weights.get(encoding) ?? weights.get('*') ?? 0
  return offered.find((encoding) => weightOf(encoding) > 0) ?? null
}

export async function compress(bytes: Uint8Array, encoding: Encoding, effort: Effort): Promise<Buffer> {
  const isFast = effort === 'fast'
  const isHere = isFast && bytes.length <= smallBytesMax
  switch (encoding) {
    case 'zstd':
      return (isHere ? zstdCompressSync : zstdAsync)(bytes, {
        params: { [constants.ZSTD_c_compressionLevel]: isFast ? 1 : 12 },
      })
    case 'br':
      return brotliAsync(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: isFast ? 1 : 9,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      })
    case 'gzip':
      return (isHere ? gzipSync : gzipAsync)(bytes, { level: isFast ? 1 : 9 })
  }
}

/** The way to another thread and back takes longer than this much takes to compress. */
const smallBytesMax = 32_768

/** Best first: zstd at level 1 is both the fastest and, of the fast ones, the smallest. */
const encodings: readonly Encoding[] = ['zstd', 'br', 'gzip']

const zstdAsync = promisify(zstdCompress)
const brotliAsync = promisify(brotliCompress)
const gzipAsync = promisify(gzip)

function parseWeight(item: string): readonly [string, number] {
  const [name = '', ...parameters] = item.split(';').map((part) => part.trim().toLowerCase())
  const q = parameters.find((parameter) => parameter.startsWith('q='))
  const weight = q === undefined ? 1 : Number(q.slice(2))
  return [name, Number.isFinite(weight) ? weight : 0]
}
