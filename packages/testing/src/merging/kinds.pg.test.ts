import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeKinds } from './kinds.cases.ts'

describeKinds(onPostgres(inject('postgresUrl')))
