import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeMerging } from './merging.cases.ts'

describeMerging(onPostgres(inject('postgresUrl')))
