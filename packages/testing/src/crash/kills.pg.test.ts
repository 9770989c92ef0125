import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeKills } from './kills.cases.ts'

describeKills(onPostgres(inject('postgresUrl')))
