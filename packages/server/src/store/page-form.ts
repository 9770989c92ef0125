/**
 * How the rows of a page stand in its text: 'rows', as devices get them page by page (`[[id, version, …], …]`), or 'columns', as the parts
 * of a snapshot have them (`[[id, …], [version, …], …]`; `[]` when there are none).
 */
export type PageForm = 'rows' | 'columns'
