/** What an app gives as its token, as the engine asks for it. */
export type TokenOption = string | (() => Promise<string | null> | string | null)

/** Null: nobody is signed in. A fixed text that was refused will not be accepted the second time either. */
export function createTokenSource(option: TokenOption): (fresh: boolean) => Promise<string | null> {
  if (typeof option === 'string') return async (fresh) => (fresh ? null : option)
  return async () => option()
}
