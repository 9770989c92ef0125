import { keptEmbedded } from '../support/kept-store.ts'
import { describeRestoredByChance } from './restored-random.cases.ts'

describeRestoredByChance(keptEmbedded, [1, 6, 9, 20])
