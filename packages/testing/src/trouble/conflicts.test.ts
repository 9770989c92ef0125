import { embedded } from '../support/store-kind.ts'
import { describeConflicts } from './conflicts.cases.ts'

describeConflicts(embedded)
