/**
 * Who sees and writes what in the CRM. A manager: everything. An agent: the own leads, with every call that was made to them, and of
 * the calls writes the own ones; an agent may give an own lead to another agent, and cannot take one. A budget beyond what the office
 * sells is a typing error, or a matter for the manager.
 */
import type { GrantedScopes, Rules, User } from '@holdfast/server'
import type { Crm } from './schema.ts'

export function crmScopes(user: User): GrantedScopes {
  return isManager(user) ? 'all' : { agent: [user.userId] }
}

export const crmRules: Rules<Crm> = {
  leads: {
    write: ({ user, before, after }) => {
      if (isManager(user)) return true
      if ((before ?? after)?.owner !== user.userId) return false
      const isRaised = after !== null && after.budget > agentBudgetMax && after.budget !== before?.budget
      return !isRaised || { field: 'budget', problem: 'A budget above EGP 50,000,000 is entered by a manager.' }
    },
  },
  calls: {
    write: ({ user, before, after }) =>
      isManager(user) ||
      ((before === null || before.owner === user.userId) && (after === null || after.owner === user.userId)),
  },
}

const agentBudgetMax = 50_000_000

function isManager(user: User): boolean {
  return user.claims.role === 'manager'
}
