import { embedded } from '../support/store-kind.ts'
import { describeHostile } from './hostile.cases.ts'

describeHostile(embedded)
