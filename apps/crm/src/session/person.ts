export interface Person {
  /** The user's id: what `owner` holds. */
  readonly user: string
  readonly name: string
  readonly role: 'agent' | 'manager'
}
