import { type FormEvent, type ReactNode, type RefObject, useId, useState } from 'react'
import { useWrite } from '../../hooks.ts'
import { knownPeople } from '../../session/people.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { useToast } from '../../ui/toast.tsx'

interface GiveLeadDialogProps {
  readonly dialog: RefObject<HTMLDialogElement | null>
  readonly lead: { readonly id: string; readonly name: string; readonly owner: string }
}

export function GiveLeadDialog({ dialog, lead }: GiveLeadDialogProps): ReactNode {
  const list = useId()
  const write = useWrite()
  const showToast = useToast()
  const [typed, setTyped] = useState('')
  const [problem, setProblem] = useState<string | null>(null)
  const agents = knownPeople().filter(({ user, role }) => role === 'agent' && user !== lead.owner)

  async function give(event: FormEvent): Promise<void> {
    event.preventDefault()
    const wanted = typed.trim()
    const agent = agents.find(({ user, name }) => user === wanted || name.toLowerCase() === wanted.toLowerCase())
    // Without the list of people (never loaded on this device) an id is taken at its word; the server checks it.
    const owner = agent?.user ?? (agents.length === 0 ? wanted : '')
    if (owner === '') {
      setProblem('Choose an agent from the list.')
      return
    }
    const change = write((db) => db.leads.update(lead.id, { owner }))
    await change
    dialog.current?.close()
    setTyped('')
    setProblem(null)
    showToast({
      text: (
        <>
          Gave <bdi>{lead.name}</bdi> to <bdi>{agent?.name ?? owner}</bdi>
        </>
      ),
      undo: () => void change.undo(),
    })
  }

  return (
    <Dialog dialog={dialog} title="Give to another agent">
      <p className="dim">The lead moves to the other agent's device with the next sync.</p>
      <form onSubmit={(event) => void give(event)} noValidate style={{ display: 'grid', gap: 16 }}>
        <label className="field">
          <span>Agent</span>
          <input
            className="input"
            list={list}
            dir="auto"
            autoComplete="off"
            value={typed}
            aria-invalid={problem !== null}
            aria-describedby={`${list}-problem`}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
        <datalist id={list}>
          {agents.map(({ user, name }) => (
            <option key={user} value={user}>
              {name}
            </option>
          ))}
        </datalist>
        <p id={`${list}-problem`} role="alert" className="problem">
          {problem}
        </p>
        <div className="actions">
          <button type="submit" className="button primary">
            Give lead
          </button>
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  )
}
