import { embedded } from '../support/store-kind.ts'
import { describePeople } from './people.cases.ts'

describePeople(embedded)
