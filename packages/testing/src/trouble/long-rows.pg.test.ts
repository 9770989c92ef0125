import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeLongRows } from './long-rows.cases.ts'

describeLongRows(onPostgres(inject('postgresUrl')))
