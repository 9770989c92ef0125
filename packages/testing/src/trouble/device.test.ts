import { embedded } from '../support/store-kind.ts'
import { describeDevice } from './device.cases.ts'

describeDevice(embedded)
