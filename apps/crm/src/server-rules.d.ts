/**
 * Who sees and writes what in the CRM. A manager: everything. An agent: the own leads and calls; an agent may give an own lead to
 * another agent, and cannot take one.
 */
import type { GrantedScopes, Rules, User } from '@holdfast/server'
import type { Crm } from './schema.ts'
export declare function crmScopes(user: User): GrantedScopes
export declare const crmRules: Rules<Crm>
//# sourceMappingURL=server-rules.d.ts.map
