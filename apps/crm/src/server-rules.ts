/**
 * Who sees and writes what in the CRM. A manager: everything. An agent: the own leads and calls; an agent may give an own lead to
 * another agent, and cannot take one.
 */
import type { GrantedScopes, Rules, User } from '@holdfast/server'
import type { Crm } from './schema.ts'

export function crmScopes(user: User): GrantedScopes {
  return isManager(user) ? 'all' : { agent: [user.userId] }
}

export const crmRules: Rules<Crm> = {
  leads: {
    write: ({ user, before, after }) =>
      isManager(user) || (before === null ? after?.owner === user.userId : before.owner === user.userId),
  },
  calls: {
    write: ({ user, before, after }) =>
      isManager(user) ||
      ((before === null || before.owner === user.userId) && (after === null || after.owner === user.userId)),
  },
}

function isManager(user: User): boolean {
  return user.claims.role === 'manager'
}
