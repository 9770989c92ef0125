import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeSchemaChange } from './schema-change.cases.ts'

describeSchemaChange(onPostgres(inject('postgresUrl')))
