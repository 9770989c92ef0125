import { type RefObject, useEffect, useRef } from 'react'

/**
 * A new screen starts at its heading, for those who hear it. `from: 'anywhere'`: also where the focus stands on what led here, outside
 * of the screen; a form in it may have taken the focus further.
 */
export function useHeadingFocus(from: 'nowhere' | 'anywhere'): RefObject<HTMLHeadingElement | null> {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    const { activeElement, body } = document
    const isInside = heading.current?.closest('main')?.contains(activeElement) === true
    if (activeElement === body || (from === 'anywhere' && !isInside)) heading.current?.focus({ preventScroll: true })
  }, [from])
  return heading
}
