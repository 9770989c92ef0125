import { embedded } from '../support/store-kind.ts'
import { describeForms } from './forms.cases.ts'

describeForms(embedded)
