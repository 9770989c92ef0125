import { type FormEvent, type ReactNode, useEffect, useState } from 'react'
import { Icon } from '../ui/icon.tsx'
import { useHeadingFocus } from '../ui/use-heading-focus.ts'
import { knownPeople, loadPeople, SignInError, signInAs } from './people.ts'
import type { Person } from './person.ts'
import { keptWork, startSession } from './session.ts'
import styles from './sign-in-page.module.css'

export function SignInPage(): ReactNode {
  const [people, setPeople] = useState<readonly Person[]>(knownPeople)
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const [kept] = useState(keptWork)
  const heading = useHeadingFocus('nowhere')

  useEffect(() => {
    void loadPeople().then(setPeople)
  }, [])

  async function signIn(user: string): Promise<void> {
    setBusy(true)
    setProblem(null)
    try {
      startSession(await signInAs(user))
    } catch (error) {
      if (!(error instanceof SignInError)) throw error
      setProblem(error.message)
      setBusy(false)
    }
  }

  function submit(event: FormEvent): void {
    event.preventDefault()
    const user = typed.trim()
    if (user === '') setProblem('Choose a person, or type an id.')
    else if (!busy) void signIn(userOf(people, user))
  }

  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <img src="/icon.svg" alt="" width="48" height="48" />
        <h1 ref={heading} tabIndex={-1}>
          Sign in
        </h1>
        <p className={styles.lead}>Leads live on your device. You can go on working when the network is gone.</p>
        {kept !== null && (
          <p className={styles.kept}>
            {kept.count === 1 ? '1 change' : `${kept.count} changes`} of <bdi>{kept.name}</bdi>{' '}
            {kept.count === 1 ? 'is' : 'are'} kept on this device until the next sign-in.
          </p>
        )}
        <form onSubmit={submit} noValidate>
          <label className="field">
            <span>Person</span>
            <input
              className="input"
              list="people"
              name="person"
              dir="auto"
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              placeholder="Such as agent-7"
              value={typed}
              aria-invalid={problem !== null}
              aria-describedby="sign-in-problem"
              onChange={(event) => setTyped(event.target.value)}
            />
          </label>
          <datalist id="people">
            {people.map(({ user, name }) => (
              <option key={user} value={user}>
                {name}
              </option>
            ))}
          </datalist>
          <p id="sign-in-problem" role="alert" className="problem">
            {problem}
          </p>
          <button type="submit" className="button primary" aria-disabled={busy}>
            {busy ? 'Signing in' : 'Sign in'}
          </button>
        </form>
        {people.length > 0 && (
          <div className={styles.quick}>
            <p>Or try it as</p>
            {suggestions(people).map((person) => (
              <button key={person.user} type="button" className="button" onClick={() => void signIn(person.user)}>
                <Icon name={person.role === 'manager' ? 'people' : 'person'} />
                <bdi>{person.name}</bdi>
                <span className="dim">{person.role === 'manager' ? 'Manager' : 'Agent'}</span>
              </button>
            ))}
          </div>
        )}
      </div>
    </main>
  )
}

/** An id as it is, or the id of the person of that name. */
function userOf(people: readonly Person[], typed: string): string {
  const lower = typed.toLowerCase()
  return people.find(({ user, name }) => user === typed || name.toLowerCase() === lower)?.user ?? typed
}

function suggestions(people: readonly Person[]): readonly Person[] {
  const managers = people.filter(({ role }) => role === 'manager')
  const agents = people.filter(({ role }) => role === 'agent')
  return [...managers.slice(0, 1), ...agents.slice(0, 2)]
}
