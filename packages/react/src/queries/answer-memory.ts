/**
 * The last answers of a screen's live queries, small and per user, in localStorage: at a cold start they are painted before
 * the database has opened. They are a copy for the eye; nothing is ever computed or written from them.
 */
export interface AnswerMemory {
  recall(key: string): readonly unknown[] | null
  keep(key: string, rows: readonly unknown[]): void
  /**
   * Told how often records have left the device. Where that is not what it was: deletes all, since a row that left may be among them, and
   * answers true.
   */
  meetLeaves(leaves: number): boolean
  /** Deletes all and keeps nothing from now on: the user has signed out. */
  forget(): void
}

/** localStorage gives an origin about 5 MB and blocks while it reads: stay far below. */
const textLengthMax = 150_000
const answersMax = 20
const saveDelayMs = 400

type Answers = Map<string, readonly unknown[]>

export function createAnswerMemory(user: string): AnswerMemory {
  const storage = openStorage()
  return storage === null ? nowhere : createStoredMemory(storage, `holdfast:answers:${user}`)
}

function createStoredMemory(storage: Storage, name: string): AnswerMemory {
  const answers = read(storage, name)
  const leavesName = `${name}:leaves`
  let timer: ReturnType<typeof setTimeout> | undefined
  let forgotten = false

  function save(): void {
    clearTimeout(timer)
    timer = undefined
    if (!forgotten) write(storage, name, answers)
  }

  // A page that is left within the delay would otherwise show older rows at its next start.
  addEventListener('pagehide', () => {
    if (timer !== undefined) save()
  })

  return {
    recall: (key) => answers.get(key) ?? null,
    keep: (key, rows) => {
      if (forgotten) return
      answers.delete(key) // So that the newest is last.
      answers.set(key, rows)
      timer ??= setTimeout(save, saveDelayMs)
    },
    meetLeaves: (leaves) => {
      if (leaves === Number(storage.getItem(leavesName) ?? 0)) return false
      answers.clear()
      remove(storage, name)
      try {
        storage.setItem(leavesName, String(leaves))
      } catch {
        // Full: it is met again with nothing to delete.
      }
      return true
    },
    forget: () => {
      forgotten = true
      clearTimeout(timer)
      answers.clear()
      remove(storage, name)
      remove(storage, leavesName)
    },
  }
}

const nowhere: AnswerMemory = { recall: () => null, keep: () => {}, meetLeaves: () => true, forget: () => {} }

/** Null on a server, and where the browser's settings forbid storage. */
function openStorage(): Storage | null {
  try {
    return globalThis.localStorage ?? null
  } catch {
    return null
  }
}

function read(storage: Storage, name: string): Answers {
  try {
    const parsed: unknown = JSON.parse(storage.getItem(name) ?? '[]')
    return new Map(Array.isArray(parsed) ? parsed.filter(isAnswer) : [])
  } catch {
    return new Map()
  }
}

function isAnswer(entry: unknown): entry is [string, readonly unknown[]] {
  return Array.isArray(entry) && typeof entry[0] === 'string' && Array.isArray(entry[1])
}

function write(storage: Storage, name: string, answers: Answers): void {
  const texts: string[] = []
  let length = 0
  for (const entry of [...answers].reverse()) {
    const text = JSON.stringify(entry)
    length += text.length
    if (length > textLengthMax || texts.length === answersMax) break
    texts.push(text)
  }
  try {
    storage.setItem(name, `[${texts.reverse().join(',')}]`)
  } catch {
    // Full: these copies are the first thing to give up.
    remove(storage, name)
  }
}

function remove(storage: Storage, name: string): void {
  try {
    storage.removeItem(name)
  } catch {
    // Forbidden since it was opened; there is nothing left to delete from.
  }
}
