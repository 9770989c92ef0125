import { embedded } from '../support/store-kind.ts'
import { describeSettling } from './settling.cases.ts'

describeSettling(embedded)
