import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeInbox } from './inbox.cases.ts'

describeInbox(onPostgres(inject('postgresUrl')))
