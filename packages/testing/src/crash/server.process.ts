/**
 * A server of leads in a process of its own that kills itself: `server.process.ts <address> <port> <never|before|after> <n>`, in its
 * n-th transaction before the commit, or after it and before the reply. Says its port on the first line.
 */
import { type StoreFactory, serve } from '@holdfast/server'
import { createLeadServer } from '../support/lead-server.ts'
import { storeAt } from '../support/store-kind.ts'

const [address = '', port = '0', moment = 'never', nth = '0'] = process.argv.slice(2)

const dying =
  (factory: StoreFactory): StoreFactory =>
  (schema) => {
    const store = factory(schema)
    let transactions = 0
    const dieAt = (now: string, number: number): void => {
      if (now === moment && number === Number(nth)) process.kill(process.pid, 'SIGKILL')
    }
    return {
      ...store,
      transact: async (work) => {
        transactions += 1
        const number = transactions
        const result = await store.transact(async (tx) => {
          const answer = await work(tx)
          dieAt('before', number)
          return answer
        })
        dieAt('after', number)
        return result
      },
    }
  }

const serving = await serve(createLeadServer(dying(storeAt(address))), { port: Number(port), host: '127.0.0.1' })
console.log(`port ${serving.port}`)
