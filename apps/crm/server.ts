/** The CRM as `holdfast serve apps/crm/server.ts` serves it: its data, and who sees and writes what. */
import { defineApp } from '@holdfast/server'
import { crm } from './src/schema.ts'
import { crmRules, crmScopes } from './src/server-rules.ts'

export const app = defineApp({ schema: crm, scopes: crmScopes, rules: crmRules })
