/**
 * The files of a built web app.
 *
 * AS1  Only files below the directory are served, by the path that the URL names.
 * AS2  A file whose name holds a hash of its content is kept for ever; every other one is asked for anew each time (with an ETag).
 * AS3  A path without an extension that is no file is a page of the app: it gets index.html.
 */
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { chooseEncoding, compress, type Encoding } from './compress.ts'

export interface Assets {
  /** Null when the request is for no file of the app. */
  respond(request: Request): Promise<Response | null>
}

export function createAssets(directory: string): Assets {
  const root = path.resolve(directory)
  const cache = new Map<string, Promise<Buffer>>()

  const encoded = (file: Found, encoding: Encoding): Promise<Buffer> => {
    const key = `${encoding} ${file.etag} ${file.path}`
    const known = cache.get(key)
    if (known !== undefined) return known
    const made = readFile(`${file.path}${precompressed[encoding]}`).catch(async () =>
      compress(await readFile(file.path), encoding, 'small'),
    )
    if (cache.size >= cachedFilesMax) cache.clear()
    cache.set(key, made)
    // A failure is not remembered.
    made.catch(() => cache.delete(key))
    return made
  }

  return {
    respond: async (request) => {
      if (request.method !== 'GET' && request.method !== 'HEAD') return null
      const file = await find(root, new URL(request.url).pathname)
      if (file === null) return null
      const headers = new Headers({
        'content-type': file.type,
        'cache-control': file.isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
        etag: `"${file.etag}"`,
        'x-content-type-options': 'nosniff',
      })
      if (request.headers.get('if-none-match') === headers.get('etag'))
        return new Response(null, { status: 304, headers })
      const accepted = request.headers.get('accept-encoding')
      const encoding = isCompressible(file) ? chooseEncoding(accepted, assetEncodings) : null
      if (isCompressible(file)) headers.set('vary', 'accept-encoding')
      if (encoding !== null) headers.set('content-encoding', encoding)
      const bytes = encoding === null ? await readFile(file.path) : await encoded(file, encoding)
      headers.set('content-length', String(bytes.length))
      return new Response(request.method === 'HEAD' ? null : new Uint8Array(bytes), { headers })
    },
  }
}

interface Found {
  readonly path: string
  readonly type: string
  readonly etag: string
  readonly size: number
  readonly isHashed: boolean
}

const assetEncodings: readonly Encoding[] = ['br', 'gzip']
const precompressed: Readonly<Record<Encoding, string>> = { br: '.br', gzip: '.gz', zstd: '.zst' }
const cachedFilesMax = 500
const compressBytesMin = 1_024

/** As Vite and its plugins name built files: `index-B3kX9_qL.js`, `workbox-8c29f6e4.js`. */
const hashedName = /[-.][\w-]{8}\.\w+$/

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.webp': 'image/webp',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
}
const compressible = /^(text\/|application\/(json|manifest\+json|wasm)|image\/svg)/

async function find(root: string, pathname: string): Promise<Found | null> {
  const name = decoded(pathname)
  if (name === null) return null
  const file = path.join(root, path.normalize(`/${name}`))
  if (file !== root && !file.startsWith(root + path.sep)) return null
  const exact = await describe(file)
  if (exact !== null) return exact
  return path.extname(name) === '' ? describe(path.join(root, 'index.html')) : null
}

async function describe(file: string): Promise<Found | null> {
  const stats = await stat(file).catch(() => null)
  if (stats === null || !stats.isFile()) return null
  return {
    path: file,
    type: types[path.extname(file)] ?? 'application/octet-stream',
    etag: `${stats.size.toString(36)}-${Math.floor(stats.mtimeMs).toString(36)}`,
    size: stats.size,
    isHashed: hashedName.test(path.basename(file)),
  }
}

function isCompressible(file: Found): boolean {
  return file.size >= compressBytesMin && compressible.test(file.type)
}

function decoded(pathname: string): string | null {
  try {
    const name = decodeURIComponent(pathname)
    return name.includes('\u0000') ? null : name
  } catch {
    return null
  }
}
