import type { ConflictItem } from '@holdfast/client'
import { type Collection, isObject, type Json, sameJson } from '@holdfast/core'
import { type ReactNode, useId } from 'react'
import type { Speech } from '../words/record-words.ts'
import {
  askedAgainText,
  Moment,
  mergeTexts,
  ownerText,
  remoteOwnerText,
  wholeSideText,
  wholeStory,
} from '../words/sentences.tsx'
import { type Answer, type Row, resultOf } from './merge-draft.ts'
import { canBeTyped, isLongText, ResultControl } from './result-control.tsx'
import { textToType } from './typed-value.ts'
import { ValueText } from './value-text.tsx'

interface QuestionRowProps {
  readonly speech: Speech
  readonly collection: Collection
  readonly row: Row
  readonly onAnswer: (answer: Answer) => void
}

/** One conflict: what was there before, each side, and the result; in this order for eyes, keys and screen readers. */
export function QuestionRow(props: QuestionRowProps): ReactNode {
  const { speech, row, onAnswer } = props
  const [first] = row.question.sides
  const isWhole = row.question.field === ''
  const name = isWhole ? `The ${speech.one(first.collection)}` : speech.field(first.collection, row.question.field)
  return (
    <fieldset className="hf-question" data-field={row.question.field}>
      <legend>{name}</legend>
      {isWhole && <p className="hf-story">{wholeStory(speech, first.collection, first)}</p>}
      {row.changedBy !== null && (
        <div className="hf-again">
          <p>{askedAgainText(speech, row.changedBy)}</p>
          {row.answer.kind === 'typed' && (
            <button type="button" className="hf-button" onClick={() => onAnswer(row.answer)}>
              {mergeTexts.keepTyped}
            </button>
          )}
        </div>
      )}
      <div className="hf-sides" data-whole={isWhole}>
        {isWhole ? <WholeSides {...props} /> : <FieldSides {...props} name={name} />}
      </div>
    </fieldset>
  )
}

function FieldSides({
  speech,
  collection,
  row,
  onAnswer,
  name,
}: QuestionRowProps & { readonly name: string }): ReactNode {
  const { field, sides } = row.question
  const [{ collection: collectionName, base, remote }] = sides
  const text = (value: Json, other?: Json) => (
    <ValueText
      speech={speech}
      collection={collectionName}
      field={field}
      value={value}
      {...(other === undefined ? {} : { base: other })}
    />
  )
  return (
    <>
      <div className="hf-side hf-before">
        <p className="hf-side-head">{mergeTexts.before}</p>
        {text(base)}
      </div>
      <Choices
        speech={speech}
        row={row}
        onAnswer={onAnswer}
        sideOf={({ local }) => text(local, remote)}
        remote={text(remote, sides[0].local)}
      />
      <Result speech={speech} collection={collection} row={row} onAnswer={onAnswer} name={name} />
    </>
  )
}

function Result({ speech, collection, row, onAnswer, name }: QuestionRowProps & { readonly name: string }): ReactNode {
  const id = useId()
  const { question, answer } = row
  const field = collection.fields[question.field]
  if (field === undefined) return null
  const result = resultOf({ collection }, row)
  const collectionName = question.sides[0].collection
  const text = answer.kind === 'typed' ? answer.text : result.kind === 'value' ? textToType(field, result.value) : ''
  const problem = result.kind === 'wrong' ? `Must be ${result.rule}.` : null
  return (
    <div className="hf-side hf-result" data-decided={result.kind === 'value' && row.changedBy === null}>
      <label className="hf-side-head" htmlFor={id}>
        {mergeTexts.result}
        <span className="hf-visually-hidden"> for {name}</span>
      </label>
      {canBeTyped(field) ? (
        <ResultControl
          id={id}
          speech={speech}
          collection={collectionName}
          name={question.field}
          field={field}
          text={text}
          onType={(typed) => onAnswer({ kind: 'typed', text: typed })}
          describedBy={problem === null ? undefined : `${id}-problem`}
        />
      ) : (
        <output id={id}>
          {result.kind === 'value' && (
            <ValueText speech={speech} collection={collectionName} field={question.field} value={result.value} />
          )}
        </output>
      )}
      {problem !== null && (
        <p id={`${id}-problem`} className="hf-problem">
          {problem}
        </p>
      )}
      {isLongText(field) && (
        <button
          type="button"
          className="hf-button"
          onClick={() => {
            onAnswer({ kind: 'typed', text: bothTexts(question) })
            document.getElementById(id)?.focus()
          }}
        >
          {mergeTexts.both}
        </button>
      )}
    </div>
  )
}

/** One after the other, the server's side last; the same text is not said twice. */
function bothTexts({ sides }: Row['question']): string {
  const texts = [...sides.map(({ local }) => local), sides[0].remote].map((value) => String(value ?? ''))
  return [...new Set(texts)].filter((text) => text.trim() !== '').join('\n\n')
}

function WholeSides({ speech, row, onAnswer }: QuestionRowProps): ReactNode {
  const [first] = row.question.sides
  const side = (value: Json, other: Json, base: Json, isRemote: boolean) => (
    <>
      <span className="hf-whole">{wholeSideText(speech, first.collection, value, isRemote)}</span>
      <Fields speech={speech} collection={first.collection} value={value} other={other ?? base} />
    </>
  )
  return (
    <Choices
      speech={speech}
      row={row}
      onAnswer={onAnswer}
      sideOf={({ local, remote, base }) => side(local, remote, base, false)}
      remote={side(first.remote, first.local, first.base, true)}
    />
  )
}

/** The fields in which a side differs from the other one, or, where that is a deletion, from what was there before. */
function Fields({
  speech,
  collection,
  value,
  other,
}: {
  readonly speech: Speech
  readonly collection: string
  readonly value: Json
  readonly other: Json
}): ReactNode {
  if (!isObject(value)) return null
  const differing = Object.entries(value).filter(
    ([field, mine]) => !isObject(other) || !sameJson(mine as Json, (other[field] ?? null) as Json),
  )
  return differing.map(([field, mine]) => (
    <span key={field} className="hf-whole-field">
      <span className="hf-dim">{speech.field(collection, field)}:</span>{' '}
      <ValueText speech={speech} collection={collection} field={field} value={mine as Json} />
    </span>
  ))
}

interface ChoicesProps {
  readonly speech: Speech
  readonly row: Row
  readonly onAnswer: (answer: Answer) => void
  readonly sideOf: (side: ConflictItem) => ReactNode
  readonly remote: ReactNode
}

function Choices({ speech, row, onAnswer, sideOf, remote }: ChoicesProps): ReactNode {
  const group = useId()
  const { answer, question } = row
  const [first] = question.sides
  const { remoteBy } = first
  return (
    <>
      {question.sides.map((side) => (
        <label key={side.id} className="hf-side hf-choice">
          <span className="hf-side-head">
            <input
              type="radio"
              name={group}
              checked={answer.kind === 'local' && answer.conflict === side.id}
              onChange={() => onAnswer({ kind: 'local', conflict: side.id })}
            />
            <span>
              {ownerText(speech, side.localBy, side.isOwn)}
              {' · '}
              <Moment by={side.localBy} />
            </span>
          </span>
          {sideOf(side)}
        </label>
      ))}
      <label className="hf-side hf-choice">
        <span className="hf-side-head">
          <input
            type="radio"
            name={group}
            checked={answer.kind === 'remote'}
            onChange={() => onAnswer({ kind: 'remote' })}
          />
          <span>
            {remoteOwnerText(speech, first)}
            {' · '}
            <Moment by={remoteBy} />
          </span>
        </span>
        {remote}
      </label>
    </>
  )
}
