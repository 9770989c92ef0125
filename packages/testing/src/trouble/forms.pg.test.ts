import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeForms } from './forms.cases.ts'

describeForms(onPostgres(inject('postgresUrl')))
