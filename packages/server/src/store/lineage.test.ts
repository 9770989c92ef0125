import { parseGeneration } from '@holdfast/core'
import { expect, test } from 'vitest'
import { ancestorsOf } from './lineage.ts'

const third = parseGeneration('third')

test('[I-9] an ancestor is common up to the earliest fork on the way', () => {
  const lives = [
    { id: 'first', parent: null, fork: 0 },
    { id: 'second', parent: 'first', fork: 50 },
    { id: 'other', parent: 'first', fork: 70 },
    { id: 'third', parent: 'second', fork: 30 },
  ]
  expect([...ancestorsOf(lives, third)]).toEqual([
    ['second', 30],
    ['first', 30],
  ])
  const later = lives.map((life) => (life.id === 'third' ? { ...life, fork: 80 } : life))
  expect([...ancestorsOf(later, third)]).toEqual([
    ['second', 80],
    ['first', 50],
  ])
})

test('[I-9] a life without a parent has no ancestors, and a circle of broken rows ends', () => {
  expect(ancestorsOf([{ id: 'third', parent: null, fork: 0 }], third).size).toBe(0)
  expect(ancestorsOf([], third).size).toBe(0)
  const circle = [
    { id: 'third', parent: 'second', fork: 3 },
    { id: 'second', parent: 'third', fork: 2 },
  ]
  expect(ancestorsOf(circle, third).size).toBe(2)
})
