import { keptEmbedded } from '../support/kept-store.ts'
import { describeRetention } from './retention.cases.ts'

describeRetention(keptEmbedded)
