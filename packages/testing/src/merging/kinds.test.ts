import { embedded } from '../support/store-kind.ts'
import { describeKinds } from './kinds.cases.ts'

describeKinds(embedded)
