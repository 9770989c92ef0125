import { keptEmbedded, setBackEmbedded } from '../support/kept-store.ts'
import { describeRestored, describeSetBack } from './restored.cases.ts'

describeRestored(keptEmbedded)
describeSetBack(setBackEmbedded)
