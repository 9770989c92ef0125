/**
 * The one workload of every bench: a property platform's leads, and what an agent does to them in offline weeks. The same bytes
 * for the same seed, so that two systems, and two years, are timed on the same work. Runs in Node and in a browser.
 */

export type Stage = 'new' | 'contacted' | 'qualified' | 'visit' | 'negotiation' | 'reserved' | 'won' | 'lost'

/** 12 fields, about 420 bytes as JSON. Times are milliseconds since 1970. */
export interface Lead {
  readonly id: string
  readonly owner: string
  readonly name: string
  readonly phone: string
  readonly email: string
  readonly stage: Stage
  readonly source: 'listing' | 'call' | 'whatsapp' | 'referral' | 'campaign' | 'walk-in'
  readonly district: string
  readonly budget: number
  readonly notes: string
  readonly createdAt: number
  readonly updatedAt: number
}

export type Work =
  | { readonly type: 'create'; readonly id: string; readonly fields: Omit<Lead, 'id'> }
  | { readonly type: 'update'; readonly id: string; readonly fields: Partial<Pick<Lead, 'stage' | 'budget' | 'notes'>> }
  | { readonly type: 'call'; readonly id: string; readonly fields: Call }

export interface Call {
  readonly leadId: string
  readonly outcome: 'answered' | 'no answer' | 'busy'
  readonly seconds: number
}

/** Floats in [0, 1). */
export type Random = () => number

/** A small seeded generator (mulberry32). */
export function random(seed: number): Random {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let mixed = a
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** `count` leads of `agents` agents, the same for the same seed. */
export function leads(count = 100_000, seed = 1, agents = 200): readonly Lead[] {
  const next = random(seed)
  return Array.from({ length: count }, (_, index) => lead(next, index, agents))
}

/** `count` operations over `rows`, in order: 30% new leads, 60% edits of one or two fields, 10% call logs. */
export function backlog(rows: readonly Lead[], count = 10_000, seed = 2): readonly Work[] {
  const next = random(seed)
  return Array.from({ length: count }, (_, index) => work(next, rows, index))
}

// The order of the draws decides the bytes: none may move.
function lead(next: Random, index: number, agents: number): Lead {
  const first = pick(next, firstNames)
  const last = pick(next, lastNames)
  const createdAt = 1_767_225_600_000 + Math.floor(next() * 15_552_000_000)
  const wordCount = 10 + Math.floor(next() * 25)
  const notes = Array.from({ length: wordCount }, () => pick(next, words)).join(' ')
  return {
    id: uuid(next),
    owner: `agent-${Math.floor(next() * agents)}`,
    name: `${first} ${last}`,
    phone: `+2010${String(Math.floor(next() * 1e8)).padStart(8, '0')}`,
    email: `${first}.${last.replaceAll(' ', '')}.${index}@example.com`.toLowerCase(),
    stage: pick(next, stages),
    source: pick(next, sources),
    district: pick(next, districts),
    budget: budget(next),
    notes,
    createdAt,
    updatedAt: createdAt + Math.floor(next() * 5_184_000_000),
  }
}

function work(next: Random, rows: readonly Lead[], index: number): Work {
  const roll = next()
  if (roll < 0.3) {
    const { id, ...fields } = lead(next, 1_000_000 + index, 200)
    return { type: 'create', id, fields }
  }
  const { id } = pick(next, rows)
  if (roll < 0.9) {
    const isMove = next() < 0.5
    const fields = isMove
      ? { stage: pick(next, stages) }
      : { budget: budget(next), notes: `call ${index}: ${pick(next, words)}` }
    return { type: 'update', id, fields }
  }
  const callId = uuid(next)
  const fields = { leadId: id, outcome: pick(next, outcomes), seconds: Math.floor(next() * 600) }
  return { type: 'call', id: callId, fields }
}

function budget(next: Random): number {
  return 500_000 + Math.floor(next() * 200) * 50_000
}

function uuid(next: Random): string {
  let text = ''
  for (let index = 0; index < 32; index += 1) {
    if (index === 8 || index === 12 || index === 16 || index === 20) text += '-'
    if (index === 12) text += '4'
    else if (index === 16) text += '89ab'.charAt(Math.floor(next() * 4))
    else text += '0123456789abcdef'.charAt(Math.floor(next() * 16))
  }
  return text
}

function pick<T>(next: Random, list: readonly T[]): T {
  const picked = list[Math.floor(next() * list.length)]
  if (picked === undefined) throw new Error('A pick needs a list with something in it.')
  return picked
}

// biome-ignore format: one line each reads as the list that it is
const firstNames = ['Ahmed', 'Mona', 'Youssef', 'Salma', 'Omar', 'Nour', 'Karim', 'Hana', 'Mahmoud', 'Laila', 'Tarek', 'Dina', 'Sherif', 'Aya', 'Khaled', 'Farida']
// biome-ignore format: as above
const lastNames = ['Hassan', 'Ibrahim', 'Mostafa', 'Abdel Rahman', 'Fathy', 'Saad', 'El Sayed', 'Nabil', 'Gamal', 'Shawky', 'Zaki', 'Farouk']
// biome-ignore format: as above
const districts = ['New Cairo', 'Sheikh Zayed', '6th of October', 'Maadi', 'Nasr City', 'Heliopolis', 'North Coast', 'Ain Sokhna', 'New Capital', 'Mokattam']
const sources = ['listing', 'call', 'whatsapp', 'referral', 'campaign', 'walk-in'] as const
const stages = ['new', 'contacted', 'qualified', 'visit', 'negotiation', 'reserved', 'won', 'lost'] as const
const outcomes = ['answered', 'no answer', 'busy'] as const
const words =
  'wants a garden view prefers ground floor asked about instalments over eight years delivery next summer will call back after work budget is flexible needs three bedrooms near the school already saw two units compares with the tower project met at the site office bring the floor plan wife decides husband travels until March'.split(
    ' ',
  )
