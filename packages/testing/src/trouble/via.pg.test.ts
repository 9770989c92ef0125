import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeVia, describeViaRaces } from './via.cases.ts'

const store = onPostgres(inject('postgresUrl'))
describeVia(store)
describeViaRaces(store)
