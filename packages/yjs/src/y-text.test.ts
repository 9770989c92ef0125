import { EngineError } from '@holdfast/core'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as Y from 'yjs'
import { toBase64 } from './base64.ts'
import { differences } from './differences.ts'
import { yText } from './y-text.ts'

const { change, documentOf, without, written } = yText
const merge = (document: string, made: string) => yText.merge(document, made).document
/** By a change of nothing. */
const read = (document: string) => yText.merge(document, ':AAA=').text

/** Letters of several widths: a surrogate pair is one of them. */
const text = fc.string({ unit: fc.constantFrom('a', 'b', ' ', 'é', 'ع', '\u{1F98A}', '\u{1F98B}'), maxLength: 12 })
/** What somebody makes of a text: a stretch of it replaced, by whole characters. */
const edit = fc.record({ at: fc.nat(20), removed: fc.nat(4), inserted: text })
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never

function edited(before: string, { at, removed, inserted }: Edit): string {
  const characters = [...before]
  characters.splice(Math.min(at, characters.length), removed, ...inserted)
  return characters.join('')
}

/** Changes of one document that know nothing of each other, or build on the one before. */
function changesOf(start: string, edits: readonly Edit[], isChain: boolean): readonly string[] {
  let document = documentOf(start)
  return edits.map((given, index) => {
    const made = change(document, edited(read(document), given), 2 + index)
    if (isChain) document = merge(document, made)
    return made
  })
}

const rejected = expect.objectContaining({ code: 'INVALID_VALUE' })

describe('documents', () => {
  test('[TX2] the same text makes the same document everywhere, and another text one that shares nothing with it', () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        expect(read(documentOf(one))).toBe(one)
        expect(documentOf(one)).toBe(documentOf(one))
        if (one === other || one === '') return
        const made = change(documentOf(one), '', 7)
        expect(() => merge(documentOf(other), made)).toThrow(rejected)
      }),
    )
  })

  test('a change makes the text read as it shall', () => {
    fc.assert(
      fc.property(text, text, fc.integer({ min: 2, max: 2 ** 32 - 1 }), (before, after, author) => {
        const made = change(documentOf(before), after, author)
        expect(read(merge(documentOf(before), made))).toBe(after)
        expect(written(before, made)).toBe(after)
      }),
    )
  })
})

describe('merging', () => {
  test('[TX1] concurrent changes give one text in every order, however often each is merged', () => {
    fc.assert(
      fc.property(text, fc.array(edit, { minLength: 2, maxLength: 5 }), fc.gen(), (start, edits, gen) => {
        const changes = changesOf(start, edits, false)
        const all = (order: readonly string[]) => read(order.reduce(merge, documentOf(start)))
        const order = gen(fc.shuffledSubarray, [...changes], { minLength: changes.length })
        expect(all([...order, ...order])).toBe(all(changes))
      }),
    )
  })

  test('[TX1] documents that are merged with each other hold the changes of both', () => {
    fc.assert(
      fc.property(text, fc.tuple(edit, edit, edit), (start, edits) => {
        const [a = '', b = '', c = ''] = changesOf(start, edits, false)
        const base = documentOf(start)
        const grouped = merge(merge(merge(base, b), c), a)
        expect(read(grouped)).toBe(read(merge(merge(merge(base, a), b), c)))
      }),
    )
  })

  test('[TX1] the text is what Yjs itself makes of the same edits', () => {
    fc.assert(
      fc.property(text, fc.array(edit, { minLength: 1, maxLength: 4 }), (start, edits) => {
        const changes = changesOf(start, edits, false)
        const origin = new Y.Doc()
        Y.applyUpdate(origin, Buffer.from(documentOf(start), 'base64'))
        const oracle = new Y.Doc()
        Y.applyUpdate(oracle, Y.encodeStateAsUpdate(origin))
        edits.forEach((given, index) => {
          const mine = new Y.Doc()
          Y.applyUpdate(mine, Y.encodeStateAsUpdate(origin))
          mine.clientID = 2 + index
          const shared = mine.getText('text')
          // From the end, so that no place moves; our changes are made from the beginning.
          for (const { at, removed, inserted } of differences(start, edited(start, given)).toReversed()) {
            shared.delete(at, removed)
            shared.insert(at, inserted)
          }
          Y.applyUpdate(oracle, Y.encodeStateAsUpdate(mine))
        })
        expect(read(changes.reduce(merge, documentOf(start)))).toBe(oracle.getText('text').toString())
      }),
    )
  })

  test('[C7] no inserted character is lost, and none is there twice', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6), { minLength: 2, maxLength: 6 }), (places) => {
        const base = documentOf('......')
        const letters = places.map((_, index) => String.fromCharCode(97 + index))
        const changes = places.map((at, index) =>
          change(base, edited('......', { at, removed: 0, inserted: letters[index] ?? '' }), 2 + index),
        )
        const merged = read(changes.reduce(merge, base))
        expect([...merged].sort().join('')).toBe(['......', ...letters].join(''))
      }),
    )
  })

  test('[TX3] a change that builds on one that is missing is refused, and fits when that has come', () => {
    const base = documentOf('one two')
    const first = change(base, 'one big two', 2)
    const second = change(merge(base, first), 'one bigger two', 3)
    expect(() => merge(base, second)).toThrow(rejected)
    expect(read(merge(merge(base, first), second))).toBe('one bigger two')
  })
})

describe('many changes', () => {
  test('[TX4] what was merged before, and in which document, makes no difference', () => {
    const step = fc.record({ of: fc.nat(40), edit, isMerged: fc.boolean() })
    fc.assert(
      fc.property(text, fc.array(step, { minLength: 8, maxLength: 40 }), (start, steps) => {
        /** Each document with all the changes that it holds, in order. */
        const made: { readonly document: string; readonly changes: readonly string[] }[] = [
          { document: documentOf(start), changes: [] },
        ]
        steps.forEach(({ of, edit: given, isMerged }, index) => {
          const { document, changes } = made[of % made.length] ?? { document: documentOf(start), changes: [] }
          const next = change(document, edited(read(document), given), 2 + index)
          if (isMerged) made.push({ document: merge(document, next), changes: [...changes, next] })
        })
        for (const { document, changes } of made) {
          const oracle = new Y.Doc()
          for (const update of [documentOf(start), ...changes.map((one) => one.slice(one.indexOf(':') + 1))])
            Y.applyUpdate(oracle, Buffer.from(update, 'base64'))
          expect(read(document)).toBe(oracle.getText('text').toString())
          expect(opened(document)).toBe(read(document))
        }
      }),
    )
  })

  test('[TX4] two thousand edits of a long text take moments on a device and on a server, in a document not much longer', {
    timeout: 30_000,
  }, () => {
    let written = 'twenty letters here '.repeat(1_000)
    const start = documentOf(written)
    const changes: string[] = []
    const from = performance.now()
    let mine = start
    for (let index = 0; index < 2_000; index += 1) {
      const at = (index * 7_919) % written.length
      written = `${written.slice(0, at)}a${written.slice(at)}`
      const made = change(mine, written, 2 + index)
      changes.push(made)
      mine = merge(mine, made)
    }
    const served = changes.reduce(merge, start)
    // Opened and written anew for each of them it was 15 seconds; it is one and a half.
    expect(performance.now() - from).toBeLessThan(6_000)
    expect(read(served)).toBe(written)
    const whole = new Y.Doc()
    Y.applyUpdate(whole, Y.mergeUpdates(served.split(',').map((part) => Buffer.from(part, 'base64'))))
    expect(served.length).toBeLessThan(toBase64(Y.encodeStateAsUpdate(whole)).length * 1.25)
  })

  test('[TX4] edits that go round many texts cost no more', () => {
    const texts = Array.from({ length: 20 }, (_, index) => `twenty letters ${index} `.repeat(500))
    const documents = texts.map(documentOf)
    const from = performance.now()
    for (let index = 0; index < 1_000; index += 1) {
      const place = index % texts.length
      const written = `${texts[place]}${index}`
      const document = documents[place] ?? ''
      documents[place] = merge(document, change(document, written, 2 + index))
      texts[place] = written
    }
    expect(performance.now() - from).toBeLessThan(3_000)
    expect(documents.map(read)).toEqual(texts)
  })

  test('[TX3] what was refused leaves nothing behind', () => {
    const base = merge(documentOf('one two'), change(documentOf('one two'), 'one or two', 2))
    const late = change(merge(base, change(base, 'one big or two', 3)), 'one bigger or two', 4)
    expect(() => merge(base, late)).toThrow(rejected)
    expect(read(base)).toBe('one or two')
    expect(read(merge(base, change(base, 'one or three', 5)))).toBe('one or three')
  })
})

/** As somebody reads it who has nothing open. */
function opened(document: string): string {
  const made = new Y.Doc()
  for (const part of document.split(',')) Y.applyUpdate(made, Buffer.from(part, 'base64'))
  return made.getText('text').toString()
}

describe('taking back', () => {
  test('what a change inserted goes, what it deleted is there again, and what others wrote stays', () => {
    const base = documentOf('the quick brown fox')
    const mine = change(base, 'the slow brown fox', 2)
    const theirs = merge(merge(base, mine), change(base, 'Look: the quick brown fox jumps', 3))
    expect(read(theirs)).toBe('Look: the slow brown fox jumps')
    expect(without(theirs, 'the quick brown fox', mine)).toBe('Look: the quick brown fox jumps')
  })

  test('of the only change it is the text before it', () => {
    fc.assert(
      fc.property(text, edit, (start, given) => {
        const [made = ''] = changesOf(start, [given], false)
        expect(without(merge(documentOf(start), made), start, made)).toBe(start)
      }),
    )
  })

  test('of the last of several it is the text before that', () => {
    fc.assert(
      fc.property(text, fc.array(edit, { minLength: 2, maxLength: 5 }), (start, edits) => {
        const changes = changesOf(start, edits, true)
        const before = changes.slice(0, -1).reduce(merge, documentOf(start))
        const last = changes.at(-1) ?? ''
        expect(without(merge(before, last), read(before), last)).toBe(read(before))
      }),
    )
  })
})

describe('what is no change', () => {
  const base = documentOf('text')

  test.each(hostile())('[TX3] %s is refused', (_, given) => {
    expect(() => merge(base, given)).toThrow(rejected)
  })

  test('[TX3] whatever bytes come, they are merged as text or refused, and quickly', () => {
    const honest = change(base, 'text!', 9)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(30), (bytes, at) => {
        const spoiled = Uint8Array.from(Buffer.from(honest.slice(honest.indexOf(':') + 1), 'base64'))
        spoiled.set(bytes.subarray(0, Math.max(0, spoiled.length - at)), Math.min(at, spoiled.length))
        for (const payload of [bytes, spoiled]) {
          try {
            expect(typeof read(merge(base, `4-0+1:${toBase64(payload)}`))).toBe('string')
          } catch (error) {
            if (!(error instanceof EngineError)) throw error
            expect(error.code).toBe('INVALID_VALUE')
          }
        }
      }),
      { numRuns: 2_000 },
    )
    expect(read(base)).toBe('text')
  })
})

function byAuthor(author: number): Uint8Array {
  const document = new Y.Doc()
  document.clientID = author
  document.getText('text').insert(0, 'x')
  return Y.encodeStateAsUpdate(document)
}

/** Payloads of somebody who does not use this package. */
function hostile(): readonly (readonly [name: string, change: string])[] {
  /** @param length of what a text inserts: a change says so beside the update. */
  const made = (write: (document: Y.Doc) => void, length = 1): string => {
    const document = new Y.Doc()
    write(document)
    return `0-0+${length}:${toBase64(Y.encodeStateAsUpdate(document))}`
  }
  const bytes = (...given: readonly number[]) => `0-100+0:${toBase64(Uint8Array.from(given))}`
  return [
    ['nothing', ''],
    ['base64 without its stretches', 'AAA='],
    ['what is not base64', ':%%%'],
    ['half a byte as base64', ':A'],
    ['stretches of anything', 'a-1+1:AAA='],
    ['very many stretches with an end that does not fit', `${'1-1+1111111'.repeat(20_000)}!`],
    ['a comma too many', '1-1+1,:AAA='],
    ['an update that is cut', bytes(1, 1, 5)],
    // 2^24 structs announced in a few bytes: an array of them would take 128 MiB.
    ['a count of structs without the structs', bytes(1, 0x80, 0x80, 0x80, 0x08, 5, 0)],
    ['a count of deletions without the deletions', bytes(0, 1, 5, 0xff, 0xff, 0xff, 0x7f)],
    ['a deletion of what is not there', bytes(0, 1, 5, 1, 0, 100)],
    ['formatted text', made((document) => document.getText('text').insert(0, 'bold', { bold: true }))],
    ['an embedded object', made((document) => document.getText('text').insertEmbed(0, { image: 'x' }))],
    ['another root', made((document) => document.getText('other').insert(0, 'hidden'), 6)],
    ['a map', made((document) => document.getMap('text').set('key', 'value'))],
    ['an array', made((document) => document.getArray('text').insert(0, [1, 2]))],
    ['XML', made((document) => document.getXmlFragment('text').insert(0, [new Y.XmlElement('p')]))],
    ['a document in the document', made((document) => document.getMap('text').set('doc', new Y.Doc()))],
    ['a text whose length is another', made((document) => document.getText('text').insert(0, 'two'), 2)],
    ['a deletion that is not said', change(documentOf('text'), 'txt', 5).replace(/^[^:]*/, '')],
    ['text of two authors', `0-0+1,0-0+1:${toBase64(Y.mergeUpdates([byAuthor(5), byAuthor(6)]))}`],
    ['a skip', bytes(1, 1, 5, 0, 10, 100, 0)],
    ['a collected struct', bytes(1, 1, 5, 0, 0, 100, 0)],
  ]
}
