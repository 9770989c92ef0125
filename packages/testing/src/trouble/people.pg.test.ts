import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describePeople } from './people.cases.ts'

describePeople(onPostgres(inject('postgresUrl')))
