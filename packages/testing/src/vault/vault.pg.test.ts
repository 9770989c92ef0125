import { inject } from 'vitest'
import { onPostgres } from '../support/store-kind.ts'
import { describeVault } from './vault.cases.ts'

describeVault(onPostgres(inject('postgresUrl')))
