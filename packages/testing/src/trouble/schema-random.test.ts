import { embedded } from '../support/store-kind.ts'
import { describeSchemaRandom } from './schema-random.cases.ts'

describeSchemaRandom(embedded, [1, 2, 3, 4])
