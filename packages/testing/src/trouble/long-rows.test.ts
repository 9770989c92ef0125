import { embedded } from '../support/store-kind.ts'
import { describeLongRows } from './long-rows.cases.ts'

describeLongRows(embedded)
