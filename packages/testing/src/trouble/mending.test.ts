import { embedded } from '../support/store-kind.ts'
import { describeMending } from './mending.cases.ts'

describeMending(embedded)
