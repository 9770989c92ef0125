import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeConflicts } from './conflicts.cases.ts'

describeConflicts(onPostgres(inject('postgresUrl')))
