/**
 * Demo data of a property platform's sales floor: leads of 200 agents, calls to some of them. Deterministic by seed; ids depend on
 * the index alone, so that seeding can be repeated and finds what it made before.
 */
import type { RecordId } from '@holdfast/core'
import type { Person, SeedRecord } from '@holdfast/server'
import { callOutcomes, sources, stages } from '../src/schema.ts'
import { createSeededRandom, type SeededRandom } from './random.ts'

export interface DemoOptions {
  readonly leads: number
  readonly agents: number
  readonly seed: number
  /** The latest moment in the data: everything lies in the 180 days before it. */
  readonly nowMs: number
}

/** The agents, and the manager who sees everything. */
export function demoPeople(agents: number): readonly Person[] {
  const random = createSeededRandom(7)
  const people = Array.from({ length: agents }, (_, index): Person => {
    return { user: agentId(index), name: `${random.pick(latin.first)} ${random.pick(latin.last)}`, role: 'agent' }
  })
  return [{ user: 'manager', name: 'Nadia Fahmy', role: 'manager' }, ...people]
}

/** Lead number `index`, and the calls made to it. The same for the same seed, whatever was made before. */
export function demoLead(index: number, options: DemoOptions): readonly [SeedRecord, ...SeedRecord[]] {
  // A stream of its own per lead: lead 70,000 does not need the 69,999 before it.
  const random = createSeededRandom(Math.imul(options.seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b))
  const names = random.next() < arabicShare ? arabic : latin
  const first = random.below(latin.first.length)
  const last = random.below(latin.last.length)
  const createdAt = options.nowMs - 1 - random.below(daysMax * dayMs)
  const updatedAt = createdAt + random.below(options.nowMs - createdAt)
  const owner = agentId(random.below(options.agents))
  const lead: SeedRecord = {
    collection: 'leads',
    id: demoLeadId(index),
    createdAt,
    updatedAt,
    fields: {
      owner,
      name: `${names.first[first]} ${names.last[last]}`,
      phone: `+2010${String(random.below(100_000_000)).padStart(8, '0')}`,
      email: `${latin.first[first]}.${latin.last[last]}.${index}@example.com`.replaceAll(' ', '').toLowerCase(),
      stage: random.pick(stages),
      source: random.pick(sources),
      district: random.pick(districts),
      budget: 500_000 + random.below(200) * 50_000,
      notes: sentence(random, names === arabic && random.next() < 0.5 ? arabicWords : words),
      visits: random.below(10) === 0 ? 1 + random.below(3) : 0,
    },
  }
  return [lead, ...demoCalls(random, index, lead, owner)]
}

export function demoLeadId(index: number): RecordId {
  return uuidOf(index, 0)
}

function demoCalls(random: SeededRandom, index: number, lead: SeedRecord, owner: string): readonly SeedRecord[] {
  if (random.below(20) !== 0) return []
  return Array.from({ length: 1 + random.below(3) }, (_, call): SeedRecord => {
    const at = lead.createdAt + random.below(lead.updatedAt - lead.createdAt + 1)
    const outcome = random.pick(callOutcomes)
    return {
      collection: 'calls',
      id: uuidOf(index, call + 1),
      createdAt: at,
      updatedAt: at,
      fields: {
        lead: lead.id,
        owner,
        outcome,
        seconds: outcome === 'answered' ? 20 + random.below(600) : 0,
        note: outcome === 'answered' ? sentence(random, words, 4) : '',
        at,
      },
    }
  })
}

/** Ascending with the index, as the ids of devices ascend with time: a database fills pages in order. */
function uuidOf(index: number, part: number): RecordId {
  const ms = (idBaseMs + index).toString(16).padStart(12, '0')
  return `${ms.slice(0, 8)}-${ms.slice(8)}-7000-8000-${part.toString(16).padStart(12, '0')}`
}

function agentId(index: number): string {
  return `agent-${index}`
}

function sentence(random: SeededRandom, from: readonly [string, ...string[]], wordsMin = 10): string {
  return Array.from({ length: wordsMin + random.below(25) }, () => random.pick(from)).join(' ')
}

const idBaseMs = Date.UTC(2026, 0, 1)
const dayMs = 86_400_000
const daysMax = 180
const arabicShare = 0.2

const districts = [
  'New Cairo',
  'Sheikh Zayed',
  '6th of October',
  'Maadi',
  'Nasr City',
  'Heliopolis',
  'North Coast',
  'Ain Sokhna',
  'New Capital',
  'Mokattam',
] as const

// biome-ignore format: names and words read better in lines than one below the other.
const latin = {
  first: ['Ahmed', 'Mona', 'Youssef', 'Salma', 'Omar', 'Nour', 'Karim', 'Hana', 'Mahmoud', 'Laila', 'Tarek', 'Dina', 'Sherif', 'Aya', 'Khaled', 'Farida'],
  last: ['Hassan', 'Ibrahim', 'Mostafa', 'Abdel Rahman', 'Fathy', 'Saad', 'El Sayed', 'Nabil', 'Gamal', 'Shawky', 'Zaki', 'Farouk'],
} as const

// biome-ignore format: the same names in the same order.
const arabic = {
  first: ['أحمد', 'منى', 'يوسف', 'سلمى', 'عمر', 'نور', 'كريم', 'هنا', 'محمود', 'ليلى', 'طارق', 'دينا', 'شريف', 'آية', 'خالد', 'فريدة'],
  last: ['حسن', 'إبراهيم', 'مصطفى', 'عبد الرحمن', 'فتحي', 'سعد', 'السيد', 'نبيل', 'جمال', 'شوقي', 'زكي', 'فاروق'],
} as const

// biome-ignore format: words.
const words = [
  'wants', 'a', 'garden', 'view', 'prefers', 'ground', 'floor', 'asked', 'about', 'instalments', 'over', 'eight', 'years',
  'delivery', 'next', 'summer', 'will', 'call', 'back', 'after', 'work', 'budget', 'is', 'flexible', 'needs', 'three',
  'bedrooms', 'near', 'the', 'school', 'already', 'saw', 'two', 'units', 'compares', 'with', 'tower', 'project', 'met', 'at',
  'site', 'office', 'bring', 'plan', 'wife', 'decides', 'husband', 'travels', 'until', 'March',
] as const

// biome-ignore format: words.
const arabicWords = [
  'يريد', 'شقة', 'تطل', 'على', 'الحديقة', 'الدور', 'الأرضي', 'سأل', 'عن', 'التقسيط', 'ثماني', 'سنوات', 'التسليم', 'الصيف',
  'القادم', 'سيتصل', 'بعد', 'العمل', 'الميزانية', 'مرنة', 'ثلاث', 'غرف', 'قريب', 'من', 'المدرسة', 'زار', 'الموقع', 'مرتين',
] as const
