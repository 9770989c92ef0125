import 'vitest'

declare module 'vitest' {
  /** What the projects `postgres` and `story` hand to their tests through `inject`. */
  export interface ProvidedContext {
    /** Of the database `postgres`, as its superuser. */
    postgresUrl: string
  }
}
