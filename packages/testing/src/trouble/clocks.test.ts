import { embedded } from '../support/store-kind.ts'
import { describeClocks } from './clocks.cases.ts'

describeClocks(embedded)
