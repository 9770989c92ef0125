import { inject } from 'vitest'
import { keptOnPostgres } from '../support/kept-store.ts'
import { describeRestoredByChance } from './restored-random.cases.ts'

describeRestoredByChance(keptOnPostgres(inject('postgresUrl')), [100, 101])
