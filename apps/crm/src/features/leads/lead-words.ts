/** How the values of a lead read on screen. */
import type { RowOf } from '@holdfast/core'
import type { Crm, callOutcomes, sources, stages } from '../../schema.ts'

export type Lead = RowOf<Crm['collections']['leads']>
export type Stage = (typeof stages)[number]
export type Source = (typeof sources)[number]
export type CallOutcome = (typeof callOutcomes)[number]

export const stageNames: { readonly [stage in Stage]: string } = {
  new: 'New',
  contacted: 'Contacted',
  qualified: 'Qualified',
  visit: 'Visit',
  negotiation: 'Negotiation',
  reserved: 'Reserved',
  won: 'Won',
  lost: 'Lost',
}

export const sourceNames: { readonly [source in Source]: string } = {
  listing: 'Listing',
  call: 'Call',
  whatsapp: 'WhatsApp',
  referral: 'Referral',
  campaign: 'Campaign',
  'walk-in': 'Walk-in',
}

export const outcomeNames: { readonly [outcome in CallOutcome]: string } = {
  answered: 'Answered',
  'no-answer': 'No answer',
  busy: 'Busy',
}

/** Where this office sells. A lead may name any other; these are offered. */
export const districts = [
  '6th of October',
  'Ain Sokhna',
  'Heliopolis',
  'Maadi',
  'Mokattam',
  'Nasr City',
  'New Cairo',
  'New Capital',
  'North Coast',
  'Sheikh Zayed',
] as const

export function budgetText(budget: number): string {
  return budget === 0 ? 'No budget' : `EGP ${whole.format(budget)}`
}

export function shortBudgetText(budget: number): string {
  return budget === 0 ? '' : `EGP ${compact.format(budget)}`
}

export function countText(count: number, noun: string): string {
  return `${whole.format(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** The time where it was today, the date where it was before. */
export function shortTimeText(atMs: number): string {
  const isToday = new Date(atMs).toDateString() === new Date().toDateString()
  return (isToday ? time : date).format(atMs)
}

export function dateTimeText(atMs: number): string {
  return dateTime.format(atMs)
}

export function durationText(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  if (minutes === 0) return `${seconds} s`
  return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`
}

const whole = new Intl.NumberFormat('en')
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 2 })
const date = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })
const time = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' })
const dateTime = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
