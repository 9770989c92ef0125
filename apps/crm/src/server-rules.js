export function crmScopes(user) {
  return isManager(user) ? 'all' : { agent: [user.userId] }
}
export const crmRules = {
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
function isManager(user) {
  return user.claims.role === 'manager'
}
//# sourceMappingURL=server-rules.js.map
