import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeSettling } from './settling.cases.ts'

describeSettling(onPostgres(inject('postgresUrl')))
