import { embedded } from '../support/store-kind.ts'
import { describeResent } from './resent.cases.ts'

describeResent(embedded)
