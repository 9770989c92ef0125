import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addTexts, marksOf, removeTexts, type SetMarks, textSet } from './text-set.ts'

type Edit = { readonly kind: 'add' | 'remove'; readonly device: number; readonly text: string }
/** The same set by its definition: every addition is an element of its own, and a removal takes those that its writer had seen. */
type Element = { readonly text: string; readonly device: number; readonly version: number }

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom('add', 'remove'),
  device: fc.nat(2),
  text: fc.constantFrom('a', 'b', 'toString', '__proto__'),
})
/** How far each device has seen before each edit: at most all of it. */
const history = fc.array(fc.tuple(edit, fc.nat(3)), { maxLength: 20 })

test('[TS1] the set holds what its definition says, whatever each writer had seen', () => {
  fc.assert(
    fc.property(history, (steps) => {
      let marks: SetMarks = {}
      let elements: readonly Element[] = []
      const seen = [0, 0, 0]
      steps.forEach(([{ kind, device, text }, unseen], index) => {
        const version = index + 1
        const baseVersion = Math.max(seen[device] ?? 0, index - unseen)
        seen[device] = baseVersion
        const given = { texts: [text], device: `d${device}`, baseVersion, version }
        if (kind === 'add') {
          marks = addTexts(marks, given)
          elements = [...elements, { text, device, version }]
        } else {
          marks = removeTexts(marks, given)
          elements = elements.filter(
            (element) => element.text !== text || (element.device !== device && element.version > baseVersion),
          )
        }
        expect(textSet(Object.keys(marks))).toEqual(textSet(elements.map((element) => element.text)))
      })
    }),
  )
})

test('[TS1] a removal from another generation has seen nothing but its own device’s additions', () => {
  const marks = addTexts(addTexts({}, by('a', 1, 0)), by('b', 2, 0))
  expect(removeTexts(marks, by('a', 3, null))).toEqual({ x: { b: 2 } })
  expect(removeTexts(addTexts({}, by('a', 1, 0)), by('a', 3, null))).toEqual({})
})

test('[TS2] to add what is there and to remove what is not changes no value', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ maxLength: 3 }), { maxLength: 5 }),
      fc.string({ maxLength: 3 }),
      (texts, other) => {
        const marks = addTexts({}, { texts, device: 'd', baseVersion: 0, version: 1 })
        const again = { texts, device: 'e', baseVersion: 0, version: 2 }
        expect(textSet(Object.keys(addTexts(marks, again)))).toEqual(textSet(texts))
        if (!texts.includes(other)) expect(removeTexts(marks, { ...again, texts: [other] })).toEqual(marks)
      },
    ),
  )
})

test('texts without marks were added by whoever wrote the set first', () => {
  const first = { device: 'seed', version: 1 }
  expect(marksOf(undefined, ['x', 'y'], first)).toEqual({ x: { seed: 1 }, y: { seed: 1 } })
  expect(marksOf({ x: { a: 4 }, gone: { a: 2 } }, ['x', 'toString'], first)).toEqual({
    x: { a: 4 },
    toString: { seed: 1 },
  })
})

function by(device: string, version: number, baseVersion: number | null) {
  return { texts: ['x'], device, version, baseVersion }
}
