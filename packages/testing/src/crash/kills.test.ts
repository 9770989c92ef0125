import { embedded } from '../support/store-kind.ts'
import { describeKills } from './kills.cases.ts'

describeKills(embedded)
