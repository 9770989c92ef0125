import type { Schema } from '@holdfast/core'
import type { ServerOptions } from '../create-server.ts'
import type { JwtOptions } from '../http/authenticate.ts'

/** What `holdfast serve` cannot take from the environment: the data of the app, and who may see and write what. */
export interface AppDefinition<S extends Schema = Schema>
  extends Pick<ServerOptions<S>, 'schema' | 'scopes' | 'rules' | 'rescue'> {
  /** In place of tokens by HOLDFAST_JWKS_URL or HOLDFAST_JWT_SECRET. */
  readonly authenticate?: ServerOptions<S>['authenticate']
  /** Which of those tokens were taken back; see `jwt`. */
  readonly isRevoked?: JwtOptions['isRevoked']
}

/** What the module that `holdfast serve` is given exports as `app`. */
export function defineApp<const S extends Schema>(app: AppDefinition<S>): AppDefinition<S> {
  return app
}
