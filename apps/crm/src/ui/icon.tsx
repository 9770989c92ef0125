import type { ReactNode } from 'react'

const paths = {
  list: 'M3.5 5.5h13M3.5 10h13M3.5 14.5h13',
  board: 'M3.5 4h3.5v12H3.5ZM8.25 4h3.5v8H8.25ZM13 4h3.5v10H13Z',
  plus: 'M10 4v12M4 10h12',
  person: 'M10 10a3.25 3.25 0 1 0 0-6.5 3.25 3.25 0 0 0 0 6.5ZM4 16.5a6 6 0 0 1 12 0',
  people:
    'M7.5 9.5a2.75 2.75 0 1 0 0-5.5 2.75 2.75 0 0 0 0 5.5ZM2.5 16a5 5 0 0 1 10 0M12.5 4.3a2.75 2.75 0 0 1 0 4.9M14.5 11.5a5 5 0 0 1 3 4.5',
  search: 'M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11ZM13 13l3.5 3.5',
  phone: 'M4 4.5c0 6.5 5 11.5 11.5 11.5l1-3.3-3.4-1.4-1.4 1.5a9 9 0 0 1-4.5-4.5l1.5-1.4L7.3 3.5Z',
  mail: 'M3 5h14v10H3ZM3 6l7 5 7-5',
  edit: 'M4 16l.7-3.3L13.2 4.2a1.5 1.5 0 0 1 2.1 0l.5.5a1.5 1.5 0 0 1 0 2.1L7.3 15.3Z',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6M8.5 9v4.5M11.5 9v4.5',
  give: 'M4 10h11M11 6l4 4-4 4',
  back: 'M12 4.5 6.5 10l5.5 5.5',
  visit: 'M10 17s5.5-4.6 5.5-9a5.5 5.5 0 1 0-11 0c0 4.4 5.5 9 5.5 9ZM10 10a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z',
  filter: 'M3.5 5h13M6 10h8M8.5 15h3',
  close: 'M5 5l10 10M15 5 5 15',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  clock: 'M10 16.75a6.75 6.75 0 1 0 0-13.5 6.75 6.75 0 0 0 0 13.5ZM10 6.4V10l2.5 1.7',
  alert: 'M10 3.2 17.3 16H2.7ZM10 8v3.6M10 13.6v.1',
} as const

export type IconName = keyof typeof paths

interface IconProps {
  readonly name: IconName
  /** Arrows that mean "back" or "on" turn around where text runs from right to left. */
  readonly mirrored?: boolean
}

/** A picture beside words; it says nothing by itself to a screen reader. */
export function Icon({ name, mirrored = false }: IconProps): ReactNode {
  return (
    <svg className={mirrored ? 'icon mirrored' : 'icon'} viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  )
}
