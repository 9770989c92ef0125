import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeHostile } from './hostile.cases.ts'

describeHostile(onPostgres(inject('postgresUrl')))
