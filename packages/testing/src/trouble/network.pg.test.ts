import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeNetwork } from './network.cases.ts'

describeNetwork(onPostgres(inject('postgresUrl')))
