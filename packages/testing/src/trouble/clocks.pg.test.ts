import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeClocks } from './clocks.cases.ts'

describeClocks(onPostgres(inject('postgresUrl')))
