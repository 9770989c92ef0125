import { embedded } from '../support/store-kind.ts'
import { describeNetwork } from './network.cases.ts'

describeNetwork(embedded)
