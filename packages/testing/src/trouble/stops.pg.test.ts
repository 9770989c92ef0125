import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeStops } from './stops.cases.ts'

describeStops(onPostgres(inject('postgresUrl')))
