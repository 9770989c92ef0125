/** A server of leads: managers hold everything, everybody else the own ones. The token is the user's name, for who may sign in is not what is tested. */
import { EngineError, parseUserId } from '@holdfast/core'
import { createServer, type Limits, type Server, type StoreFactory } from '@holdfast/server'
import { serverSchema, type widerSchema } from './lead-schema.ts'

export const manager = 'manager'
/** Nobody's token: 401. */
export const oldToken = 'old'

export function createLeadServer(
  store: StoreFactory,
  schema: typeof serverSchema | ReturnType<typeof widerSchema> = serverSchema,
  limits: Partial<Limits> = {},
): Server {
  return createServer({
    schema,
    store,
    authenticate: async (request) => {
      const token = request.headers.get('authorization')?.replace('Bearer ', '') ?? ''
      if (token === '' || token === oldToken) throw new EngineError('UNAUTHENTICATED', 'The token is old.')
      return { userId: parseUserId(token), claims: {} }
    },
    scopes: ({ userId }) => (userId === manager ? 'all' : { agent: [userId] }),
    // An agent may give an own lead away, and cannot take one.
    rules: {
      leads: {
        write: ({ user, before, after }) => user.userId === manager || (before ?? after)?.owner === user.userId,
      },
    },
    limits,
    logLevel: 'silent',
  })
}
