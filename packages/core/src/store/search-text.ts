/**
 * What search compares: letters and digits folded so that people find what they mean. Letter case and diacritics go, Arabic
 * letter forms are unified, digits of all scripts become 0–9, and a phone number is also entered reversed, so that its last
 * digits find it (an index finds beginnings only).
 */

const arabicForms: readonly (readonly [RegExp, string])[] = [
  [/[\u064B-\u065F\u0670\u0640]/g, ''], // Short vowels, and the tatweel that only stretches a word.
  [/[\u0622\u0623\u0625\u0671]/g, '\u0627'], // Alef with madda, hamza, wasla → alef.
  [/\u0649/g, '\u064A'], // Alef maqsura → yeh.
  [/\u06CC/g, '\u064A'], // Persian yeh → yeh.
  [/\u06A9/g, '\u0643'], // Persian kaf → kaf.
  [/\u0629/g, '\u0647'], // Teh marbuta → heh.
  [/\u0624/g, '\u0648'], // Waw with hamza → waw.
  [/\u0626/g, '\u064A'], // Yeh with hamza → yeh.
]
const combiningMarks = /[\u0300-\u036F]/g
const otherDigits = /[\u0660-\u0669\u06F0-\u06F9]/g
const onlyAscii = /^[\x20-\x7E]*$/
/** A number as people write it: digits with spaces, dots, dashes and brackets between them. */
const phone = /\+?\d(?:[\s().-]{0,2}\d){4,}/g
/** The first letter of a reversed number: no word that a person types begins with it and a digit. */
const reversedMark = 'r'

export function foldText(text: string): string {
  if (onlyAscii.test(text)) return text.toLowerCase()
  let folded = text.normalize('NFKD').replace(combiningMarks, '').toLowerCase()
  for (const [form, letter] of arabicForms) folded = folded.replace(form, letter)
  // NFKD takes alef-hamza apart into alef and a combining hamza: the marks above (064B–065F) hold it, and it is gone by now.
  return folded.replace(otherDigits, (digit) => String((digit.codePointAt(0) ?? 0) & 0xf))
}

/** The text that is indexed for a record: its search fields, folded, with each phone number forwards and backwards. */
export function searchText(values: readonly (string | null)[]): string {
  const folded = foldText(values.filter((value) => value !== null).join(' '))
  return folded.replace(phone, (number) => {
    const digits = number.replace(/\D/g, '')
    return ` ${digits} ${reversedMark}${reverse(digits)} `
  })
}

/** The FTS5 query for what a person typed: every word must begin a word of the record; digits may also end a number. Null when nothing can be searched. */
export function searchQuery(typed: string): string | null {
  const folded = foldText(typed).replace(phone, (number) => ` ${number.replace(/\D/g, '')} `)
  const words = folded.match(/[\p{L}\p{N}]+/gu) ?? []
  if (words.length === 0) return null
  return words
    .map((word) => (/^\d{2,}$/.test(word) ? `("${word}"* OR "${reversedMark}${reverse(word)}"*)` : `"${word}"*`))
    .join(' AND ')
}

function reverse(digits: string): string {
  return [...digits].reverse().join('')
}
