import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeDevice } from './device.cases.ts'

describeDevice(onPostgres(inject('postgresUrl')))
