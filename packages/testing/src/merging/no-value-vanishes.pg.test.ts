import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeNoValueVanishes } from './no-value-vanishes.cases.ts'

describeNoValueVanishes(onPostgres(inject('postgresUrl')), [5])
