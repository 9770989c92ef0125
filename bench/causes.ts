/**
 * Why a figure misses its target, by bench and line: the last column of the table in docs/performance.md. A person writes it,
 * with what was measured; `npm run bench -- all --write` puts it beside the figures while they miss.
 */
export const causes: { readonly [bench: string]: { readonly [line: string]: string } } = {}
