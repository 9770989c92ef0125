import { inject } from 'vitest'
import { keptOnPostgres } from '../support/kept-store.ts'
import { describeRestored } from './restored.cases.ts'

describeRestored(keptOnPostgres(inject('postgresUrl')))
