import type { UserId } from '@holdfast/core'

/** Who sent a request, as `authenticate` found. */
export interface User {
  readonly userId: UserId
  /** What the token says beside the name: roles, a team. */
  readonly claims: { readonly [name: string]: unknown }
}
