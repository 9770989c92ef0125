import { keptEmbedded } from '../support/kept-store.ts'
import { describeRestored } from './restored.cases.ts'

describeRestored(keptEmbedded)
