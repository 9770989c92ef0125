import { embedded } from '../support/store-kind.ts'
import { describeStops } from './stops.cases.ts'

describeStops(embedded)
