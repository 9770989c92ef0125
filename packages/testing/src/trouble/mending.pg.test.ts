import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeMending } from './mending.cases.ts'

describeMending(onPostgres(inject('postgresUrl')))
