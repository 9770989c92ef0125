import { embedded } from '../support/store-kind.ts'
import { describePrivacy } from './privacy.cases.ts'

describePrivacy(embedded)
