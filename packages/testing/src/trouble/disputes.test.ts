import { embedded } from '../support/store-kind.ts'
import { describeDisputes } from './disputes.cases.ts'

describeDisputes(embedded, [1, 2, 3, 4, 5, 6, 7, 8])
