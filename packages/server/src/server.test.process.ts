/**
 * A server in a process of its own that kills itself: `node server.test.process.ts <directory> <never|before|after> <n>`, at its
 * n-th transaction, before the commit or after it and before the reply. Says its port on the first line.
 */
import { createServer } from './create-server.ts'
import { jwt } from './http/authenticate.ts'
import type { StoreFactory } from './ports/server-store.ts'
import { serve } from './serve.ts'
import { schema, secret } from './server.test.kit.ts'
import { sqlite } from './store/sqlite.ts'

const [directory = '', moment = 'never', nth = '0'] = process.argv.slice(2)

const killing =
  (factory: StoreFactory): StoreFactory =>
  (ofSchema) => {
    const store = factory(ofSchema)
    let transactions = 0
    const dieAt = (now: string): void => {
      if (now === moment && transactions === Number(nth)) process.kill(process.pid, 'SIGKILL')
    }
    return {
      ...store,
      transact: async (work) => {
        transactions += 1
        const result = await store.transact(async (tx) => {
          const answer = await work(tx)
          dieAt('before')
          return answer
        })
        dieAt('after')
        return result
      },
    }
  }

const server = createServer({
  schema,
  store: killing(sqlite(directory)),
  authenticate: jwt({ secret }),
  scopes: () => 'all',
  logLevel: 'silent',
})
const { port } = await serve(server, { port: 0, host: '127.0.0.1' })
console.log(port)
