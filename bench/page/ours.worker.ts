import { startWorker } from '@holdfast/client/worker'
import { crm } from '../../apps/crm/src/schema.ts'

startWorker(crm)
