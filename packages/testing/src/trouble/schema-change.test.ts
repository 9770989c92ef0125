import { embedded } from '../support/store-kind.ts'
import { describeSchemaChange } from './schema-change.cases.ts'

describeSchemaChange(embedded)
