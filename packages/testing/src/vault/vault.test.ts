import { embedded } from '../support/store-kind.ts'
import { describeVault } from './vault.cases.ts'

describeVault(embedded)
