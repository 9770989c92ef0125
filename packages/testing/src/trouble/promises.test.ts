import { embedded } from '../support/store-kind.ts'
import { describePromises } from './promises.cases.ts'

describePromises(embedded)
