import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describePrivacy } from './privacy.cases.ts'

describePrivacy(onPostgres(inject('postgresUrl')))
