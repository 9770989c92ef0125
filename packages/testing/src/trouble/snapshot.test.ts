import { embedded } from '../support/store-kind.ts'
import { describeSnapshots } from './snapshot.cases.ts'

describeSnapshots(embedded)
