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

/** `leaves`: how often records had left the device. */
interface Kept {
  leaves: number
  readonly answers: Map<string, readonly unknown[]>
}

export function createAnswerMemory(user: string): AnswerMemory {
  const storage = openStorage()
  return storage === null ? nowhere : createStoredMemory(storage, `holdfast:answers:${user}`)
}

function createStoredMemory(storage: Storage, name: string): AnswerMemory {
  const kept = read(storage, name)
  const { answers } = kept
  let timer: ReturnType<typeof setTimeout> | undefined
  let forgotten = false

  function save(): void {
    clearTimeout(timer)
    timer = undefined
    if (!forgotten) write(storage, name, kept)
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
      if (leaves === kept.leaves) return false
      kept.leaves = leaves
      answers.clear()
      save()
      return true
    },
    forget: () => {
      forgotten = true
      answers.clear()
      storage.removeItem(name)
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

// What `write` wrote, under a name of its own; anything else is no pair with a list of pairs, and is as if there were nothing.
function read(storage: Storage, name: string): Kept {
  try {
    const [leaves, answers]: [number, [string, readonly unknown[]][]] = JSON.parse(storage.getItem(name) ?? '')
    return { leaves, answers: new Map(answers) }
  } catch {
    return { leaves: 0, answers: new Map() }
  }
}

function write(storage: Storage, name: string, { leaves, answers }: Kept): void {
  const texts: string[] = []
  let length = 0
  for (const entry of [...answers].reverse()) {
    const text = JSON.stringify(entry)
    length += text.length
    if (length > textLengthMax || texts.length === answersMax) break
    texts.push(text)
  }
  try {
    storage.setItem(name, `[${leaves},[${texts.reverse()}]]`)
  } catch {
    // Full: these copies are the first thing to give up.
    storage.removeItem(name)
  }
}
