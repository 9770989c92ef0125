import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeSweep } from './sweep.cases.ts'

describeSweep(onPostgres(inject('postgresUrl')), { driverStride: 9 })
