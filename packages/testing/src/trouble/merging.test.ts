import { embedded } from '../support/store-kind.ts'
import { describeMerging } from './merging.cases.ts'

describeMerging(embedded)
