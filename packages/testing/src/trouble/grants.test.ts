import { embedded } from '../support/store-kind.ts'
import { describeGrants } from './grants.cases.ts'

describeGrants(embedded)
