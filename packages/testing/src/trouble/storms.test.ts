import { embedded } from '../support/store-kind.ts'
import { describeStorms } from './storms.cases.ts'

describeStorms(embedded)
