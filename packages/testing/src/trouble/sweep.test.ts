import { embedded } from '../support/store-kind.ts'
import { describeSweep } from './sweep.cases.ts'

describeSweep(embedded, { driverStride: 1 })
