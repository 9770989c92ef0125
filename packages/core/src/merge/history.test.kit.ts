/**
 * Random histories of three devices and a server, under every strategy. After each operation that the server takes:
 *
 *   - a value that went from the record or from an open conflict was seen by whoever wrote over it, or is in a decision of that moment;
 *   - a value that came in is in the record, in an open conflict, in a decision, or in a refused operation;
 *   - a deletion happened, is in a question, in a decision, or refused;
 *   - what decisions and conflicts say of the record is true.
 */
import fc from 'fast-check'
import { expect } from 'vitest'
import { isObject, type Json, type JsonObject, sameJson } from '../json.ts'
import { type Collection, type CollectionOptions, collection } from '../schema/collection.ts'
import { t } from '../schema/field.ts'
import {
  type ClashStrategy,
  causal,
  type DeleteStrategy,
  type MergeOption,
  wholeRecord,
} from '../schema/merge-strategy.ts'
import { type Disputed, type Effect, sideOf } from './apply-operation.ts'
import { apply, device as deviceId, nowhere, take, type Written } from './arbiter.test.kit.ts'
import { type Conflict, wholeSide } from './conflict.ts'
import { fold } from './fold.ts'
import { plainFields } from './merge-edit.ts'
import type { ServerRecord } from './server-record.ts'

const joined = ({ local, remote }: { local: Json; remote: Json }) => `(${remote}+${local})`

export const strategies: readonly { name: string; merge: MergeOption; a?: ClashStrategy }[] = [
  { name: 'fields', merge: 'fields' },
  { name: 'lww', merge: 'lww' },
  { name: 'serverTime', merge: 'serverTime' },
  { name: 'serverWins', merge: 'serverWins' },
  { name: 'clientWins', merge: 'clientWins' },
  { name: 'manual', merge: 'manual' },
  { name: 'a custom function', merge: joined },
  { name: 'fields with one manual', merge: 'fields', a: 'manual' },
  { name: 'manual with one custom', merge: 'manual', a: joined },
  { name: 'causal', merge: 'causal' },
  { name: 'causal with one manual', merge: 'causal', a: 'manual' },
  { name: "causal('ask')", merge: causal('ask') },
  { name: "wholeRecord('lww')", merge: wholeRecord('lww') },
  { name: "wholeRecord('serverTime')", merge: wholeRecord('serverTime') },
  { name: "wholeRecord('serverWins')", merge: wholeRecord('serverWins') },
  { name: "wholeRecord('clientWins')", merge: wholeRecord('clientWins') },
  { name: "wholeRecord('manual')", merge: wholeRecord('manual') },
  {
    name: 'wholeRecord(custom)',
    merge: wholeRecord(({ local, remote }) => ({
      a: joined({ local: local.a ?? '', remote: remote.a ?? '' }),
      b: remote.b ?? '',
    })),
  },
]

export function collectionOf(merge: MergeOption, a: ClashStrategy | undefined, deletes: DeleteStrategy): Collection {
  const options: CollectionOptions<Collection['fields']> = {
    fields: {
      a: a === undefined ? t.text() : t.text({ merge: a }),
      b: t.text(),
      visits: t.counter(),
      tags: t.set(),
    },
    merge,
    deletes,
  }
  return collection(options)
}

/** Far enough from 1970 for a clock that is ten years slow. */
export const startMs = 1_700_000_000_000

export interface Step {
  readonly device: number
  readonly act:
    | 'write'
    | 'write both'
    | 'count'
    | 'add'
    | 'remove'
    | 'delete'
    | 'restore'
    | 'settle'
    | 'push'
    | 'pull'
    | 'refuse'
    | 'retry'
  /** Which value, which conflict, what shall stand. */
  readonly pick: number
  /** How far the device's clock is off for this write, in milliseconds. */
  readonly skew: number
}

const stepsOf = (more: readonly { readonly weight: number; readonly arbitrary: fc.Arbitrary<Step['act']> }[]) =>
  fc.array(
    fc.record<Step>({
      device: fc.integer({ min: 1, max: 3 }),
      act: fc.oneof(
        { weight: 6, arbitrary: fc.constantFrom<Step['act']>('push', 'pull') },
        { weight: 4, arbitrary: fc.constantFrom<Step['act']>('write', 'write both', 'settle') },
        { weight: 2, arbitrary: fc.constantFrom<Step['act']>('count', 'add', 'remove', 'delete', 'restore') },
        ...more,
      ),
      pick: fc.nat(7),
      skew: fc.constantFrom(0, 0, 0, -50, 50),
    }),
    { minLength: 5, maxLength: 40 },
  )

export const steps = stepsOf([])

/** Some of what arrives is refused, and sent again later as it was. */
export const stepsWithRefusals = stepsOf([{ weight: 3, arbitrary: fc.constantFrom<Step['act']>('refuse', 'retry') }])

/** All three have written the same field: two are asked, and they and the others settle that, also late. */
export const crowded = stepsOf([{ weight: 8, arbitrary: fc.constant<Step['act']>('settle') }]).map((history) => [
  ...(['write', 'push', 'pull'] as const).flatMap((act) =>
    [1, 2, 3].map((device): Step => ({ device, act, pick: 0, skew: 0 })),
  ),
  ...history,
])

/** A device as far as merging goes: what it has of the server, what it has not sent, and what it has sent since it looked. */
interface Device {
  seen: Disputed
  /** The additions to the set of which it knows, by id. */
  observed: ReadonlySet<string>
  sent: readonly Sent[]
  outbox: readonly Sent[]
  refused: readonly Sent[]
  /** The record as it was shown before it was deleted: what an undo brings back. */
  last: JsonObject
}

interface Sent {
  readonly written: Written
  /** The number of the write; its operation gets another one when it is sent again. */
  readonly first: number
  /** Additions to the set that a removal takes away; the addition that an `add` is. */
  readonly additions: readonly string[]
}

interface Held {
  readonly field: string
  readonly value: Json
}

export function createWorld(of: Collection) {
  const plain = plainFields(of)
  const isWhole = of.merge.kind === 'record'
  const created: Written = { kind: 'create', fields: { a: 'a0', b: 'b0', visits: 0, tags: [] } }
  let server: Disputed = take(of, nowhere, created)
  let n = 0
  let counted = 0
  /** What each device wrote before, and in which of its writes: it has seen that. */
  const wrote = new Map(
    [1, 2, 3].map((id) => [id, valuesOf('', { a: 'a0', b: 'b0' }).map((value) => ({ value, in: 0 }))]),
  )
  const effects: Effect[] = []
  /** What was written over by somebody who had seen it, or told: a side of a question may show it once more. */
  const accounted: Held[] = []
  /** The record's version with its last deletion. */
  let deletion = 0
  /** The reference model of the add-wins set: additions that nobody who knew of them has removed. */
  const additions = new Map<string, string>()
  const addedBy = new Map<number, readonly string[]>()
  const devices = new Map<number, Device>(
    [1, 2, 3].map((id) => [
      id,
      {
        seen: server,
        observed: new Set<string>(),
        sent: [],
        outbox: [],
        refused: [],
        last: server.record?.values.fields ?? {},
      },
    ]),
  )

  function shown(id: number): JsonObject | null {
    const { seen, sent, outbox } = deviceOf(id)
    let fields: JsonObject | null = seen.record?.state === 'live' ? seen.record.values.fields : null
    for (const conflict of seen.conflicts.filter(({ localBy }) => localBy.device === deviceId(id))) {
      if (conflict.field !== '') fields = fields && { ...fields, [conflict.field]: conflict.local }
      else {
        const local = wholeSide(conflict.local)
        fields = local && { ...seen.record?.values.fields, ...local }
      }
    }
    for (const { written } of [...sent, ...outbox]) {
      const row = fields && { createdAt: 0, updatedAt: 0, fields }
      fields = fold(of, row, { kind: written.kind, fields: written.fields ?? {} }, 0)?.fields ?? null
    }
    return fields
  }

  function deviceOf(id: number): Device {
    const found = devices.get(id)
    if (found === undefined) throw new Error('There are three devices.')
    return found
  }

  function write(
    id: number,
    skew: number,
    written: Omit<Written, 'device' | 'version' | 'at' | 'n'>,
    ids: string[] = [],
  ) {
    n += 1
    const device = deviceOf(id)
    const version = device.seen.record?.version ?? 0
    const whole = { ...written, n, device: id, version, at: startMs + n * 10 + skew }
    device.outbox = [...device.outbox, { written: whole, first: n, additions: ids }]
  }

  function update(id: number, { skew }: Step, row: JsonObject, fields: JsonObject) {
    const names = isWhole ? plain : Object.keys(fields)
    write(id, skew, { kind: 'update', fields, was: picked(row, names) })
  }

  function act(step: Step): void {
    const { device: id, act: what, pick, skew } = step
    const row = shown(id)
    const device = deviceOf(id)
    device.last = row ?? device.last
    // Mostly values that are written once; now and then one that others write too.
    const value = (name: string) => (pick === 7 ? `${name}0` : pick === 6 ? 'same' : `${name}${id}.${n + 1}`)
    switch (what) {
      case 'write':
        if (row !== null) update(id, step, row, pick % 2 === 0 ? { a: value('a') } : { b: value('b') })
        return
      case 'write both':
        if (row !== null) update(id, step, row, { a: value('a'), b: value('b') })
        return
      case 'count':
        if (row !== null)
          write(id, skew, { kind: 'increment', fields: { visits: pick - 3 }, was: picked(row, ['visits']) })
        return
      case 'add': {
        const addition = `${n + 1}`
        if (row !== null)
          write(id, skew, { kind: 'add', fields: { tags: [`t${pick % 3}`] }, was: picked(row, ['tags']) }, [addition])
        return
      }
      case 'remove': {
        const text = `t${pick % 3}`
        const own = [...device.sent, ...device.outbox].flatMap(({ written, additions: ids }) =>
          written.kind === 'add' ? ids : [],
        )
        const known = [...device.observed, ...own]
        if (row !== null)
          write(id, skew, { kind: 'remove', fields: { tags: [text] }, was: picked(row, ['tags']) }, known)
        return
      }
      case 'delete':
        if (row !== null) write(id, skew, { kind: 'delete', was: isWhole ? picked(row, plain) : row })
        return
      case 'restore':
        if (row === null) write(id, skew, { kind: 'restore', fields: device.last })
        return
      case 'settle':
        settle(step)
        return
      case 'push': {
        const [first, ...rest] = device.outbox
        if (first === undefined) return
        device.outbox = rest
        device.sent = [...device.sent, first]
        arrive(first)
        return
      }
      case 'refuse': {
        const [first, ...rest] = device.outbox
        if (first === undefined) return
        device.outbox = rest
        device.refused = [...device.refused, first]
        return
      }
      case 'retry': {
        const again = device.refused[pick % Math.max(1, device.refused.length)]
        if (again === undefined) return
        n += 1
        device.refused = device.refused.filter((one) => one !== again)
        const written = { ...again.written, n, replaces: [again.written.n ?? 0] }
        device.outbox = [...device.outbox, { ...again, written }]
        return
      }
      case 'pull':
        device.seen = server
        device.observed = new Set(additions.keys())
        device.sent = []
        return
    }
  }

  /** As the client does: an update, a delete, a restore, or an update of nothing, by what the server's side is and what shall stand. */
  function settle({ device: id, pick, skew }: Step): void {
    const { seen, sent, outbox } = deviceOf(id)
    const busy = [...sent, ...outbox].flatMap(({ written }) => written.settles ?? []).map(({ conflict }) => conflict)
    const open = seen.conflicts.filter((conflict) => !busy.includes(conflict.id))
    const conflict = open[pick % Math.max(1, open.length)]
    if (conflict === undefined) return
    const settles = [{ conflict: conflict.id, revision: conflict.revision }]
    const fresh = `s${id}.${n + 1}`
    const choice = pick % 4
    if (conflict.field !== '') {
      const result = choice === 0 ? conflict.local : choice === 1 ? conflict.remote : fresh
      const fields = sameJson(result, conflict.remote) ? {} : { [conflict.field]: result }
      const was = isWhole ? picked(seen.record?.values.fields ?? {}, plain) : { [conflict.field]: conflict.remote }
      write(id, skew, { kind: 'update', fields, was: Object.keys(fields).length === 0 ? {} : was, settles })
      return
    }
    const remote = wholeSide(conflict.remote)
    const wanted =
      choice === 0
        ? wholeSide(conflict.local)
        : choice === 1
          ? remote
          : choice === 2
            ? null
            : { ...wholeSide(conflict.local), ...remote, a: fresh }
    if (wanted === null) {
      write(id, skew, { kind: 'delete', was: remote ?? {}, settles })
    } else if (remote === null) {
      write(id, skew, { kind: 'restore', fields: picked(wanted, plain), settles })
    } else {
      const changed = plain.filter((name) => !sameJson(wanted[name], remote[name]))
      const was = changed.length === 0 ? {} : isWhole ? picked(remote, plain) : picked(remote, changed)
      write(id, skew, { kind: 'update', fields: picked(wanted, changed), was, settles })
    }
  }

  function arrive({ written, first, additions: ids }: Sent): void {
    const before = server
    const effect = apply(of, before, written)
    if (effect.kind === 'broken') throw effect.fault
    effects.push(effect)
    if (effect.kind !== 'refused') {
      server = { record: effect.record, conflicts: effect.conflicts }
      if (effect.record.state === 'deleted' && before.record?.state === 'live') deletion = effect.record.version
      if (written.kind === 'increment') counted += Number(written.fields?.visits ?? 0)
      const [text] = (written.fields?.tags ?? []) as readonly string[]
      if (written.kind === 'add' && text !== undefined) {
        for (const id of ids) additions.set(id, text)
        addedBy.set(written.device ?? 1, [...(addedBy.get(written.device ?? 1) ?? []), ...ids])
      }
      // A device's removal takes its own marks along, also when it is sent again after them.
      const own = (written.replaces ?? []).length > 0 ? (addedBy.get(written.device ?? 1) ?? []) : []
      if (written.kind === 'remove')
        for (const id of [...ids, ...own]) if (additions.get(id) === text) additions.delete(id)
    }
    checkStep(written, first, before, effect)
  }

  function checkStep(written: Written, first: number, before: Disputed, effect: Effect): void {
    if (effect.kind === 'refused' || effect.kind === 'broken') return
    const told = [
      ...effect.decisions.flatMap(({ field, local, remote }) => [
        ...valuesOf(field, local),
        ...valuesOf(field, remote),
      ]),
    ]
    const isIn = (values: readonly Held[], value: Held) => values.some((other) => isSame(value, other))
    const isKept = (value: Held) => isIn([...held(effect), ...told], value)
    const seen: Held[] = Object.entries(written.was ?? {}).map(([field, value]) => ({ field, value }))
    const { settles = [] } = written
    const settled = before.conflicts.filter(({ id }) => settles.some(({ conflict }) => conflict === id))
    // Somebody has answered meanwhile: to have seen what there was is not to have seen that it shall stand.
    const isLate = settles.length > 0 && settled.length === 0
    for (const { field, base } of settled) seen.push(...valuesOf(field, base))
    const ofDevice = wrote.get(written.device ?? 1) ?? []
    const own = ofDevice.filter((one) => one.in < first).map(({ value }) => value)
    const came = valuesOf('', { ...(isWhole ? written.was : {}), ...written.fields })
    wrote.set(written.device ?? 1, [...ofDevice, ...came.map((value) => ({ value, in: first }))])

    const gone = held(before).filter((value) => !isKept(value))
    const fromRecord = recordValues(before.record)
    const vanished = gone.filter((value) => {
      const isOfRecord = isIn(fromRecord, value)
      // The own is known. But who settles a question has decided about its two sides, and about no other question of the own.
      const isKnown = (isIn(seen, value) && !isLate) || (isIn(own, value) && (isOfRecord || settles.length === 0))
      return !isKnown && (isOfRecord || !isIn(accounted, value))
    })
    expect(vanished, 'went without having been seen or told').toEqual([])
    accounted.push(...gone, ...told)
    if (isWhole && of.merge.kind === 'record' && typeof of.merge.clash === 'string') {
      const now = recordValues(effect.record)
      const isUnmixed =
        now.every((value) => isIn(valuesOf('', before.record?.values.fields ?? {}), value)) ||
        now.every((value) => isIn([...seen, ...own, ...came], value))
      expect(isUnmixed, 'a mixture').toBe(true)
    }
    const isPlain = written.kind === 'update' || (written.kind === 'restore' && (written.settles ?? []).length > 0)
    const wanted = isPlain ? valuesOf('', written.fields ?? {}) : []
    expect(
      wanted.filter((value) => !isKept(value)),
      'came and was not kept',
    ).toEqual([])
    if (written.kind === 'delete') {
      const isTold =
        effect.record.state === 'deleted' ||
        effect.conflicts.some(({ field, local }) => field === '' && local === null) ||
        effect.decisions.some(({ field, local }) => field === '' && local === null)
      expect(isTold, 'a deletion that left no trace').toBe(true)
    }
    checkTruth(written, before, effect)
  }

  function checkTruth(
    written: Written,
    before: Disputed,
    effect: Exclude<Effect, { kind: 'refused' | 'broken' }>,
  ): void {
    const { record, conflicts, decisions } = effect
    const version = before.record?.version ?? 0
    expect(record.version).toBe(effect.kind === 'changed' ? version + 1 : version)
    const wasOpen = new Map(before.conflicts.map((conflict) => [conflict.id, conflict]))
    const isSameQuestion = conflicts.length === wasOpen.size && conflicts.every((one) => one === wasOpen.get(one.id))
    if (!isSameQuestion) expect(effect.kind, 'what is open moves the record').toBe('changed')
    for (const conflict of conflicts) {
      expect(conflict.remote).toEqual(sideOf({ collection: of }, record, conflict.field))
      expect(sameJson(conflict.local, conflict.remote)).toBe(false)
    }
    const places = conflicts.map(({ field, localBy }) => `${field} ${localBy.device}`)
    expect(new Set(places).size, 'one question per field and device').toBe(places.length)
    for (const decision of decisions) {
      expect(decision.result, 'a decision tells what stands').toEqual(
        sideOf({ collection: of }, record, decision.field),
      )
    }
    if (before.record?.state === 'deleted' && record.state === 'live') {
      const isLateEdit = of.deletes === 'editWins' && (written.version ?? 0) < deletion && written.kind !== 'delete'
      expect(written.kind === 'restore' || isLateEdit, 'it came back by itself').toBe(true)
    }
    expect(record.values.fields.visits).toBe(counted)
    expect(record.values.fields.tags).toEqual([...new Set(additions.values())].sort())
  }

  function held({ record, conflicts }: Disputed): readonly Held[] {
    return [...recordValues(record), ...conflicts.flatMap(conflictValues)]
  }
  function recordValues(record: ServerRecord | null): readonly Held[] {
    return record?.state === 'live' ? valuesOf('', record.values.fields) : []
  }
  function conflictValues({ field, local }: Conflict): readonly Held[] {
    return valuesOf(field, local)
  }
  function valuesOf(field: string, value: Json): readonly Held[] {
    if (field !== '') return [{ field, value }]
    if (!isObject(value)) return []
    return Object.entries(picked(value as JsonObject, plain)).map(([name, one]) => ({ field: name, value: one }))
  }
  function isSame(one: Held, other: Held): boolean {
    return one.field === other.field && sameJson(one.value, other.value)
  }

  return { act, server: () => server, effects, shown }
}

function picked(fields: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.flatMap((name) => (name in fields ? [[name, fields[name] ?? null]] : [])))
}
