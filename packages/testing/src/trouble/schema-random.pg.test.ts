import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeSchemaRandom } from './schema-random.cases.ts'

describeSchemaRandom(onPostgres(inject('postgresUrl')), [5, 6])
