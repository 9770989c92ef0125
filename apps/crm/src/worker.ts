import { startWorker } from '@holdfast/client/worker'
import { crm } from './schema.ts'

startWorker(crm)
