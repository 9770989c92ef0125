import { embedded } from '../support/store-kind.ts'
import { describeNoValueVanishes } from './no-value-vanishes.cases.ts'

// 14: a question about a field, settled by somebody whose deletion of the record was itself in question.
describeNoValueVanishes(embedded, [1, 2, 3, 14])
