/** A variable of the environment: what it means, what it is without being given, and what it may be. */
export interface Variable<Value> {
  readonly meaning: string
  /** As an operator would write it; null: there is none. */
  readonly default: string | null
  readonly isSecret: boolean
  /** Throws a sentence about what is allowed. */
  readonly parse: (text: string) => Value
}

export function text(meaning: string, byDefault: string | null = null): Variable<string> {
  return { meaning, default: byDefault, isSecret: false, parse: (given) => given }
}

export function secret(meaning: string, bytesMin: number): Variable<string> {
  const parse = (given: string): string => {
    if (new TextEncoder().encode(given).length < bytesMin) throw new Error(`must have at least ${bytesMin} bytes.`)
    return given
  }
  return { meaning, default: null, isSecret: true, parse }
}

export function whole(meaning: string, byDefault: string | null, min: number, max: number): Variable<number> {
  const parse = (given: string): number => {
    const value = Number(given)
    if (!/^\d+$/.test(given) || value < min || value > max)
      throw new Error(`must be a whole number from ${min} to ${max}.`)
    return value
  }
  return { meaning, default: byDefault, isSecret: false, parse }
}

export function choice<const Choice extends string>(
  meaning: string,
  byDefault: Choice,
  choices: readonly Choice[],
): Variable<Choice> {
  const parse = (given: string): Choice => {
    const found = choices.find((one) => one === given)
    if (found === undefined) throw new Error(`must be one of ${choices.join(', ')}.`)
    return found
  }
  return { meaning: `${meaning} One of ${choices.join(', ')}.`, default: byDefault, isSecret: false, parse }
}

/** Origins, separated by commas. One with a path or without a scheme would never be met. */
export function origins(meaning: string): Variable<readonly string[]> {
  const parse = (given: string): readonly string[] => {
    const all = given
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    for (const one of all) {
      if (!URL.canParse(one) || new URL(one).origin !== one) {
        throw new Error('must be origins such as https://app.example, without a path or a slash at the end.')
      }
    }
    return all
  }
  return { meaning, default: null, isSecret: false, parse }
}

export function url(meaning: string, protocols: readonly string[]): Variable<string> {
  const parse = (given: string): string => {
    const parsed = URL.canParse(given) ? new URL(given) : null
    if (parsed === null || !protocols.includes(parsed.protocol)) {
      throw new Error(
        `must be an address that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}.`,
      )
    }
    return given
  }
  return { meaning, default: null, isSecret: false, parse }
}
