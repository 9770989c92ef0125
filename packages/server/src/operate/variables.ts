/**
 * What the environment may say, variable by variable: parsed once at the start, and the source of the table in docs/operating.md.
 * A name that begins like ours and is none is refused: a variable with a typing error would be one that has no effect.
 */
import { existsSync } from 'node:fs'
import { UsageError } from '@holdfast/core'
import type { Limits } from '../http/limits.ts'
import { limitsIn, limitVariables } from './limit-variables.ts'
import { choice, origins, secret, text, url, type Variable, whole } from './variable.ts'

type Variables = { readonly [name: string]: Variable<unknown> }

/** By name: the value, or null where neither the environment nor a default gives one. */
export type Parsed<V extends Variables> = {
  readonly [K in keyof V]: V[K] extends Variable<infer Value> ? Value | null : never
}

export type Environment = { readonly [name: string]: string | undefined }

export const variables = {
  DATABASE_URL: url('Postgres: `postgres://user:password@host/database`. Left out: the embedded store.', [
    'postgres:',
    'postgresql:',
  ]),
  HOLDFAST_DATA: text('Directory of the embedded store.', './data'),
  HOLDFAST_PORT: whole('Port of the server.', '3000', 0, 65_535),
  HOLDFAST_HOST: text('Address to listen on. Left out: every one.'),
  HOLDFAST_ADMIN_PORT: whole(
    'Port of `/metrics`, `/livez` and `/readyz` for operators. Left out: no metrics are served.',
    null,
    0,
    65_535,
  ),
  HOLDFAST_ADMIN_HOST: text('Address of the port for operators. In a container: `0.0.0.0`.', '127.0.0.1'),
  HOLDFAST_ASSETS: text('Directory of a built web app that is served beside.'),
  HOLDFAST_ALLOW_ORIGINS: origins('Origins of other sites that may call, separated by commas: `https://app.example`.'),
  HOLDFAST_JWKS_URL: url('Where the identity provider publishes its keys.', ['https:', 'http:']),
  HOLDFAST_JWT_SECRET: secret(
    'One key that signs and verifies tokens (HS256), at least 32 bytes. In place of keys of a provider.',
    32,
  ),
  HOLDFAST_JWT_ISSUER: text('Who must have issued a token.'),
  HOLDFAST_JWT_AUDIENCE: text('For whom a token must be.'),
  HOLDFAST_LOG_LEVEL: choice('What is logged.', 'info', ['silent', 'error', 'warn', 'info', 'debug']),
  HOLDFAST_CONNECTIONS_MAX: whole(
    'Connections to Postgres at most, for each process; one more hears of pokes.',
    '10',
    1,
    1_000,
  ),
  HOLDFAST_STATEMENT_SECONDS_MAX: whole('How long a statement may take on Postgres.', '30', 1, 3_600),
  HOLDFAST_RETENTION_DAYS: whole(
    'How long deletions and outcomes are remembered. A device that was away for longer pulls everything anew.',
    '90',
    1,
    36_500,
  ),
  HOLDFAST_DRAIN_SECONDS: whole(
    'After SIGTERM: how long requests are still taken while `/readyz` says 503, until load balancers have noticed.',
    '2',
    0,
    300,
  ),
  HOLDFAST_STOP_SECONDS_MAX: whole(
    'After that: how long what is under way may take before the process ends.',
    '25',
    1,
    3_600,
  ),
} as const satisfies Variables

export type Configuration = Parsed<typeof variables> & { readonly limits: Partial<Limits> }

export const allVariables = { ...variables, ...limitVariables }

/** Everything that the environment says. Throws UsageError that lists everything that is wrong. */
export function readConfiguration(environment: Environment): Configuration {
  const parsed = parseEnvironment(allVariables, environment)
  const problems = problemsOf(parsed)
  if (problems.length > 0) throw unusable(problems)
  return { ...parsed, limits: limitsIn(parsed) }
}

/** What variables say together, or about this machine, that cannot be. */
function problemsOf(parsed: Parsed<typeof variables> & { readonly [limit: string]: unknown }): readonly string[] {
  const { HOLDFAST_PORT, HOLDFAST_ADMIN_PORT, HOLDFAST_ASSETS, HOLDFAST_JWKS_URL, HOLDFAST_JWT_SECRET } = parsed
  const { DATABASE_URL, HOLDFAST_CONNECTIONS_MAX, HOLDFAST_LIMIT_PAGES_MAX } = parsed
  const problems: string[] = []
  if (HOLDFAST_ASSETS !== null && !existsSync(HOLDFAST_ASSETS)) {
    problems.push(`HOLDFAST_ASSETS: there is no directory "${HOLDFAST_ASSETS}".`)
  }
  if (HOLDFAST_ADMIN_PORT !== null && HOLDFAST_ADMIN_PORT !== 0 && HOLDFAST_ADMIN_PORT === HOLDFAST_PORT) {
    problems.push(`HOLDFAST_ADMIN_PORT: ${HOLDFAST_ADMIN_PORT} is HOLDFAST_PORT; give it a port of its own.`)
  }
  if (HOLDFAST_JWKS_URL !== null && HOLDFAST_JWT_SECRET !== null) {
    problems.push('HOLDFAST_JWKS_URL and HOLDFAST_JWT_SECRET are both set; keep the one by which tokens are signed.')
  }
  if (DATABASE_URL !== null && Number(HOLDFAST_LIMIT_PAGES_MAX) > Number(HOLDFAST_CONNECTIONS_MAX) - 2) {
    problems.push(
      `HOLDFAST_LIMIT_PAGES_MAX: ${HOLDFAST_LIMIT_PAGES_MAX} must be two or more below HOLDFAST_CONNECTIONS_MAX, ${HOLDFAST_CONNECTIONS_MAX}.`,
    )
  }
  return problems
}

function unusable(problems: readonly string[]): UsageError {
  return new UsageError(`The environment cannot be used.\n  ${problems.join('\n  ')}`)
}

/** Throws UsageError that lists everything that is wrong. */
export function parseEnvironment<V extends Variables>(known: V, environment: Environment): Parsed<V> {
  const problems = Object.keys(environment)
    .filter((name) => name.startsWith(prefix) && environment[name] !== undefined && !Object.hasOwn(known, name))
    .filter((name) => !ofOthers.has(name))
    .map((name) => `${name} is no variable of Holdfast.${suggestion(name, Object.keys(known))}`)
  const parsed: Record<string, unknown> = {}
  for (const [name, variable] of Object.entries(known)) {
    // An empty value is what a template leaves behind where nothing was filled in.
    const given = environment[name] === '' ? undefined : environment[name]
    const value = given ?? variable.default
    try {
      parsed[name] = value === null ? null : variable.parse(value)
    } catch (error) {
      const shown = variable.isSecret ? 'It' : `"${withoutPassword(given ?? '')}"`
      problems.push(`${name}: ${shown} ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (problems.length > 0) throw unusable(problems)
  return parsed as Parsed<V>
}

/** The values in effect, for a person: secrets masked. */
export function shownConfiguration(environment: Environment): readonly string[] {
  return Object.entries<Variable<unknown>>(allVariables).map(([name, variable]) => {
    const given = environment[name] === '' ? undefined : environment[name]
    if (given === undefined) return `${name}=${variable.default ?? ''}${variable.default === null ? '' : '  (default)'}`
    return `${name}=${variable.isSecret ? masked : withoutPassword(given)}`
  })
}

const prefix = 'HOLDFAST_'
/** What the project's own scripts and tests read. */
const ofOthers = new Set(['HOLDFAST_PG_BIN', 'HOLDFAST_CHROMIUM', 'HOLDFAST_SERVER'])

export function withoutPassword(given: string): string {
  // What is no address may still hold what was meant as a password.
  if (!URL.canParse(given)) return given.includes('@') ? masked : given
  const parsed = new URL(given)
  if (parsed.password === '') return given
  parsed.password = masked
  return parsed.href
}

const masked = '***'

/** The nearest name, where one differs by little. */
function suggestion(name: string, known: readonly string[]): string {
  const near = known
    .map((one) => ({ one, distance: editDistance(one, name) }))
    .sort((a, b) => a.distance - b.distance)[0]
  return near !== undefined && near.distance <= 4 ? ` Did you mean ${near.one}?` : ' See docs/operating.md.'
}

/** Levenshtein's, by rows. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next[j] = Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1)
    }
    row = next
  }
  return row[b.length] ?? 0
}
