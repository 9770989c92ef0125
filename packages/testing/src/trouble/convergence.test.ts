import { embedded } from '../support/store-kind.ts'
import { describeConvergence } from './convergence.cases.ts'

describeConvergence(embedded, [1], null)
