import { embedded } from '../support/store-kind.ts'
import { describeVia } from './via.cases.ts'

describeVia(embedded)
