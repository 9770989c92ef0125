/** A server from an app and the environment: what `holdfast serve` and `holdfast migrate` start from. */
import { UsageError } from '@holdfast/core'
import { createServer, type Server } from '../create-server.ts'
import { type Authenticate, jwt } from '../http/authenticate.ts'
import type { StoreFactory } from '../ports/server-store.ts'
import { postgres } from '../store/postgres.ts'
import { sqlite } from '../store/sqlite.ts'
import type { AppDefinition } from './define-app.ts'
import type { Configuration } from './variables.ts'

export function createAppServer(app: AppDefinition, configuration: Configuration): Server {
  const { schema, scopes, rules, rescue } = app
  return createServer({
    schema,
    scopes,
    ...(rules === undefined ? {} : { rules }),
    ...(rescue === undefined ? {} : { rescue }),
    store: storeOf(configuration),
    authenticate: app.authenticate ?? tokensOf(app, configuration),
    allowOrigins: configuration.HOLDFAST_ALLOW_ORIGINS ?? [],
    ...(configuration.HOLDFAST_RETENTION_DAYS === null ? {} : { retentionDays: configuration.HOLDFAST_RETENTION_DAYS }),
    limits: configuration.limits,
    logLevel: configuration.HOLDFAST_LOG_LEVEL ?? 'info',
  })
}

export function storeOf(configuration: Configuration): StoreFactory {
  const { DATABASE_URL, HOLDFAST_DATA, HOLDFAST_CONNECTIONS_MAX, HOLDFAST_STATEMENT_SECONDS_MAX } = configuration
  if (DATABASE_URL === null) return sqlite(HOLDFAST_DATA ?? 'data')
  return postgres(DATABASE_URL, {
    ...(HOLDFAST_CONNECTIONS_MAX === null ? {} : { connectionsMax: HOLDFAST_CONNECTIONS_MAX }),
    ...(HOLDFAST_STATEMENT_SECONDS_MAX === null ? {} : { statementMsMax: HOLDFAST_STATEMENT_SECONDS_MAX * 1000 }),
  })
}

function tokensOf({ isRevoked }: AppDefinition, configuration: Configuration): Authenticate {
  const { HOLDFAST_JWKS_URL, HOLDFAST_JWT_SECRET, HOLDFAST_JWT_ISSUER, HOLDFAST_JWT_AUDIENCE } = configuration
  if ((HOLDFAST_JWKS_URL === null) === (HOLDFAST_JWT_SECRET === null)) {
    throw new UsageError(
      'Who asks is told by tokens: set one of HOLDFAST_JWKS_URL (keys of an identity provider) and HOLDFAST_JWT_SECRET (one key), or give the app an `authenticate` of its own.',
    )
  }
  const checks = {
    ...(HOLDFAST_JWT_ISSUER === null ? {} : { issuer: HOLDFAST_JWT_ISSUER }),
    ...(HOLDFAST_JWT_AUDIENCE === null ? {} : { audience: HOLDFAST_JWT_AUDIENCE }),
    ...(isRevoked === undefined ? {} : { isRevoked }),
  }
  return HOLDFAST_JWKS_URL === null
    ? jwt({ secret: HOLDFAST_JWT_SECRET ?? '', ...checks })
    : jwt({ jwksUrl: HOLDFAST_JWKS_URL, ...checks })
}
