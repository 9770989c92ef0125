/** The examples of a page: the first TypeScript block below each heading, and the frame that all of them stand in. */

export interface Example {
  /** The heading. */
  readonly name: string
  readonly code: string
}

export function examplesOf(page: string): readonly Example[] {
  const blocks = page.matchAll(/^##+ (.*)\n(?:(?!^##+ )[\s\S])*?```ts\n([\s\S]*?)```/gm)
  return [...blocks].map(([, name = '', code = '']) => ({ name, code }))
}

export function frameOf(page: string): string {
  return /```ts frame\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
}
