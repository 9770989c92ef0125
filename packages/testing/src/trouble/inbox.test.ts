import { embedded } from '../support/store-kind.ts'
import { describeInbox } from './inbox.cases.ts'

describeInbox(embedded)
