/**
 * HTTP, and nothing else knows of it: routes, bodies, status codes. See docs/protocol.md.
 *
 *   POST /sync    one round            GET /health   an answer without a token        GET /poke   pokes as server-sent events
 *   POST /rescue  a rescue file, for what a device cannot send any more
 *   GET /snapshot/<id>/<n>  a part of a snapshot
 */
import {
  type DeviceId,
  EngineError,
  isObject,
  parseDeviceId,
  parseSnapshotId,
  rescueBytesMax,
  UsageError,
  type UserId,
} from '@holdfast/core'
import { type Context, Hono } from 'hono'
import { cors } from 'hono/cors'
import type { Logger } from 'pino'
import type { Demo } from '../demo/sign-in.ts'
import type { Metrics, Route } from '../metrics/metrics.ts'
import type { Scope } from '../ports/server-store.ts'
import { importRescue, parseRescueFile } from '../rescue/import-rescue.ts'
import { type GrantedScopes, scopesOfUser } from '../scope/scopes.ts'
import type { User } from '../scope/user.ts'
import type { SnapshotAddress } from '../snapshot/snapshots.ts'
import { type Round, type RoundPorts, runRound } from '../sync-round.ts'
import type { Admission, Kind, Pass } from './admission.ts'
import type { Authenticate } from './authenticate.ts'
import { chooseEncoding, compress } from './compress.ts'
import { openPokeStream, type PokeStream } from './poke-stream.ts'
import { readBody } from './read-body.ts'
import { problemResponse, publicError, statusOf } from './status.ts'

export interface AppPorts extends RoundPorts {
  readonly authenticate: Authenticate
  readonly scopes: (user: User) => GrantedScopes | Promise<GrantedScopes>
  /** As whom a file of `owner` is judged that another user brings; null: not at all. */
  readonly rescue: (sender: User, owner: UserId) => User | null | Promise<User | null>
  readonly admission: Admission
  readonly log: Logger
  readonly metrics: Metrics
  /** Whether requests are welcome: the database answers, and the server is not stopping. */
  readonly isReady: () => Promise<boolean>
}

export interface AppOptions {
  /** Origins of other sites that may call: exact texts. None by default. */
  readonly allowOrigins: readonly string[]
  readonly demo: Demo | null
}

export interface App {
  fetch(request: Request): Promise<Response>
  /** Ends every stream of pokes. */
  closeStreams(): void
}

export function createApp(ports: AppPorts, options: AppOptions): App {
  const { system } = ports
  const streams = new Set<PokeStream>()
  /** By user and device. */
  const ofDevices = new Map<string, PokeStream>()
  const app = new Hono()

  if (options.allowOrigins.length > 0) {
    app.use(cors({ origin: [...options.allowOrigins], allowHeaders: allowedHeaders, maxAge: corsSecondsMax }))
  }

  app.get('/livez', () => json({ ok: true }))
  app.get('/readyz', () => readiness(ports))
  app.get('/health', () => json({ ok: true, ...generationOf(ports) }))
  app.post('/sync', (context) => sync(ports, context))
  app.post('/rescue', (context) => rescue(ports, context))
  app.get('/snapshot/:id/:part', (context) => snapshotPart(ports, context))
  app.get('/poke', async (context) => {
    const request = context.req.raw
    const { user, scopes } = await listenerOf(ports, request)
    const device = deviceOf(context.req.query('device'))
    const key = device === null ? null : `${user} ${device}`
    // A device has one stream: that of a line which went without a word would be held for a quarter of an hour.
    if (key !== null) ofDevices.get(key)?.close()
    const leave = ports.admission.stream(user)
    const stream = openPokeStream(
      { hub: ports.pokes, system },
      {
        device,
        scopes,
        check: async () => scopesOfUser(ports.schema, await ports.scopes(await ports.authenticate(request))),
        onClose: () => {
          streams.delete(stream)
          if (key !== null && ofDevices.get(key) === stream) ofDevices.delete(key)
          leave()
          ports.metrics.streamClosed()
        },
      },
    )
    streams.add(stream)
    if (key !== null) ofDevices.set(key, stream)
    ports.metrics.streamOpened()
    return new Response(stream.body, {
      headers: {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store, no-transform',
        // Nginx would hold the events back.
        'x-accel-buffering': 'no',
      },
    })
  })
  if (options.demo !== null) mountDemo(app, options.demo)

  app.notFound(() => problemResponse(nothingHere()))
  app.onError((error) => {
    const shown = publicError(error)
    if (isForOperator(shown)) ports.log.error({ err: error, code: shown.code }, 'request failed')
    return problemResponse(shown, ports.admission.retryAfterSeconds())
  })

  return {
    fetch: async (request) => {
      const startMs = performance.now()
      const response = await app.fetch(request)
      const route = routeOf(new URL(request.url).pathname)
      ports.metrics.answered(route, response.status, (performance.now() - startMs) / 1000)
      return response
    },
    closeStreams: () => {
      for (const stream of [...streams]) stream.close()
    },
  }
}

/** Whether a path is the server's own; everything else may be an app's. */
export function isServerPath(pathname: string): boolean {
  return (
    pathname === '/sync' ||
    pathname === '/health' ||
    pathname === '/livez' ||
    pathname === '/readyz' ||
    pathname === '/poke' ||
    pathname === '/rescue' ||
    pathname.startsWith('/snapshot/') ||
    pathname.startsWith('/demo/')
  )
}

function routeOf(pathname: string): Route {
  const [first = ''] = pathname.slice(1).split('/')
  return first === 'sync' || first === 'poke' || first === 'snapshot' || first === 'rescue' || first === 'health'
    ? first
    : 'other'
}

async function readiness({ isReady }: AppPorts): Promise<Response> {
  return (await isReady())
    ? json({ ok: true })
    : problemResponse(new EngineError('OVERLOADED', 'The server is starting, stopping, or without its database.'))
}

const allowedHeaders = ['authorization', 'content-type', 'content-encoding']
const corsSecondsMax = 86_400
/** 50,000 operations with all that stands around them. */
const rescueValuesMax = 5_000_000
/** Below this, headers of an encoding and its work cost more than they save. */
const compressBytesMin = 1_024

async function sync(ports: AppPorts, context: Context): Promise<Response> {
  const startMs = ports.system.nowMs()
  const request = context.req.raw
  const log = ports.log.child({ request: Buffer.from(ports.system.randomBytes(6)).toString('hex') })
  let user: string | null = null
  let pass: Pass | null = null
  try {
    const sender = await ports.authenticate(request)
    user = sender.userId
    pass = ports.admission.begin(sender.userId)
    const scopes = scopesOfUser(ports.schema, await ports.scopes(sender))
    const body = await readBody(request, { take: pass.takeBody })
    const { kind, device: asking } = shapeOf(body)
    if (asking !== null) pass.ofDevice(asking)
    const round = await pass.run(kind, () => runRound(ports, { user: sender, scopes }, body))
    logFaults(log, user, round)
    const { device, schema, operations, outcomes } = round
    ports.metrics.outcomes(outcomes)
    ports.metrics.held(round.faults.length)
    ports.metrics.replied(round.text.length)
    const response = await jsonText(round.text, request.headers.get('accept-encoding'), pass)
    log.info(
      { user, device, schema, operations, outcomes: outcomes.length, ms: ports.system.nowMs() - startMs },
      'sync',
    )
    return response
  } catch (error) {
    const shown = publicError(error)
    const fields = { user, code: shown.code, ms: ports.system.nowMs() - startMs }
    if (isForOperator(shown)) log.error({ ...fields, err: error }, 'sync failed')
    else log.info({ ...fields, ...whyUnauthenticated(shown) }, 'sync refused')
    return problemResponse(shown, ports.admission.retryAfterSeconds())
  } finally {
    pass?.end()
  }
}

/** What a body asks for, before it is parsed: of one that does not parse it says whatever. */
function shapeOf(body: unknown): { readonly kind: Kind; readonly device: DeviceId | null } {
  if (!isObject(body)) return { kind: 'pull', device: null }
  const isPush = Array.isArray(body.operations) && body.operations.length > 0
  return { kind: isPush ? 'push' : body.cursor === undefined ? 'first' : 'pull', device: deviceOf(body.device) }
}

/** Authorised by what its reader holds now: what is not for these scopes is answered as what is not there at all. */
async function snapshotPart(ports: AppPorts, context: Context): Promise<Response> {
  const request = context.req.raw
  const sender = await ports.authenticate(request)
  const pass = ports.admission.begin(sender.userId)
  try {
    const scopes = scopesOfUser(ports.schema, await ports.scopes(sender))
    const address = partAddressOf(context.req.param('id'), context.req.param('part'))
    const part = await pass.run('snapshot', async () =>
      address === null ? null : ports.snapshots.part({ scopes, ...address }, request.headers.get('accept-encoding')),
    )
    if (part === null) throw nothingHere()
    const headers = new Headers({
      'content-type': 'application/json',
      // It is what one user may see: no cache between us and the device keeps it.
      'cache-control': 'private, no-store',
      vary: 'accept-encoding, authorization',
    })
    if (part.encoding !== null) headers.set('content-encoding', part.encoding)
    return new Response(pass.reply(new Uint8Array(part.bytes)), { headers })
  } finally {
    pass.end()
  }
}

function partAddressOf(id: string | undefined, part: string | undefined): Omit<SnapshotAddress, 'scopes'> | null {
  if (part === undefined || !/^\d{1,6}$/.test(part)) return null
  try {
    return { id: parseSnapshotId(id), part: Number(part) }
  } catch {
    return null
  }
}

function nothingHere(): EngineError {
  return new EngineError('NOT_FOUND', 'There is nothing at this address.')
}

async function rescue(ports: AppPorts, context: Context): Promise<Response> {
  const request = context.req.raw
  const sender = await ports.authenticate(request)
  const pass = ports.admission.begin(sender.userId)
  try {
    return await takeRescue(ports, { request, sender, pass })
  } finally {
    pass.end()
  }
}

interface RescueRequest {
  readonly request: Request
  readonly sender: User
  readonly pass: Pass
}

async function takeRescue(ports: AppPorts, { request, sender, pass }: RescueRequest): Promise<Response> {
  const body = await readBody(request, { bytesMax: rescueBytesMax, valuesMax: rescueValuesMax, take: pass.takeBody })
  const file = parseRescueFile(body)
  const user = sender.userId === file.user ? sender : await ports.rescue(sender, file.user)
  if (user === null) throw new EngineError('USER_MISMATCH', 'The rescue file belongs to another user.')
  const owner = { user, scopes: scopesOfUser(ports.schema, await ports.scopes(user)) }
  const { outcomes, faults } = await pass.run('rescue', () => importRescue(ports, { file, owner }))
  ports.log.info({ user: sender.userId, owner: file.user, device: file.device, operations: outcomes.length }, 'rescue')
  logFaults(ports.log, file.user, { device: file.device, faults })
  return jsonText(JSON.stringify({ user: file.user, outcomes }), request.headers.get('accept-encoding'), pass)
}

/** What no device can mend: trouble of the server, or a server that was set up wrongly. */
function isForOperator(error: EngineError): boolean {
  return statusOf(error.code) >= 500 || error.cause instanceof UsageError
}

/** Which check a token did not pass: its signature, its end, a claim. Of a claim the name and no value. */
function whyUnauthenticated({ code, cause }: EngineError): { readonly why?: string } {
  if (code !== 'UNAUTHENTICATED' || !(cause instanceof Error) || !('code' in cause)) return {}
  const { claim } = 'claim' in cause ? cause : { claim: null }
  return { why: typeof claim === 'string' ? `${cause.code} ${claim}` : String(cause.code) }
}

/** Of many units that could not be taken the first ones tell why. */
function logFaults(log: Logger, user: string, { device, faults }: Pick<Round, 'device' | 'faults'>): void {
  for (const err of faults.slice(0, faultsShownMax))
    log.error({ err, user, device }, 'a unit was left without an outcome')
  if (faults.length > faultsShownMax)
    log.error({ user, device, faults: faults.length }, 'units were left without an outcome')
}

const faultsShownMax = 5

/** Who opens a stream of pokes: a request like any other. */
async function listenerOf(
  ports: AppPorts,
  request: Request,
): Promise<{ readonly user: UserId; readonly scopes: readonly Scope[] }> {
  const user = await ports.authenticate(request)
  const pass = ports.admission.begin(user.userId)
  try {
    return { user: user.userId, scopes: scopesOfUser(ports.schema, await ports.scopes(user)) }
  } finally {
    pass.end()
  }
}

async function jsonText(text: string, accepted: string | null, pass: Pass): Promise<Response> {
  const bytes = Buffer.from(text)
  const headers = new Headers({ 'content-type': 'application/json', 'cache-control': 'no-store' })
  const encoding = bytes.length < compressBytesMin ? null : chooseEncoding(accepted)
  if (encoding === null) return new Response(pass.reply(bytes), { headers })
  headers.set('content-encoding', encoding)
  headers.set('vary', 'accept-encoding')
  return new Response(pass.reply(new Uint8Array(await compress(bytes, encoding, 'fast'))), { headers })
}

const signInBytesMax = 16_384

function mountDemo(app: Hono, demo: Demo): void {
  app.get('/demo/people', () => json({ people: demo.people }))
  app.post('/demo/sign-in', async (context) =>
    json(await demo.signIn(await readBody(context.req.raw, { bytesMax: signInBytesMax }))),
  )
}

function json(value: unknown): Response {
  return new Response(JSON.stringify(value), {
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
  })
}

/** Nothing before the store is open: the server answers, and that is what /health is about. */
function generationOf({ store }: { readonly store: RoundPorts['store'] }): { readonly generation?: string } {
  try {
    return { generation: store.generation() }
  } catch {
    return {}
  }
}

function deviceOf(given: unknown): DeviceId | null {
  try {
    return parseDeviceId(given)
  } catch {
    return null
  }
}
