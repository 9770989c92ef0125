/**
 * A mark of the device outside of the storage that holds its database: a cookie, and a copy of it in localStorage. A browser that
 * is short of space removes the database of an origin and leaves these; so does a person who clears "cached files". A mark
 * without its database tells that it was removed. It holds the device's id and nothing else, one mark per user and server.
 */
import { type DeviceId, parseDeviceId } from '@holdfast/core'

export interface DeviceMark {
  read(): DeviceId | null
  write(device: DeviceId): void
  clear(): void
}

/** The subsets of `document` and `Storage` that are used. */
export interface MarkPlaces {
  readonly cookies: { cookie: string }
  /** Null where the browser refuses it. */
  readonly storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null
}

/** As long as browsers keep a cookie at all: 400 days. */
const secondsMax = 400 * 24 * 60 * 60

export function createDeviceMark(database: string, { cookies, storage }: MarkPlaces): DeviceMark {
  const name = `holdfast-${database}`
  const setCookie = (value: string, seconds: number) => {
    cookies.cookie = `${name}=${value}; path=/; max-age=${seconds}; samesite=strict; secure`
  }
  return {
    read: () => parsed(cookieOf(cookies.cookie, name)) ?? parsed(storage?.getItem(name) ?? null),
    write(device) {
      setCookie(device, secondsMax)
      try {
        storage?.setItem(name, device)
      } catch {
        // Full: the cookie does it alone.
      }
    },
    clear() {
      setCookie('', 0)
      storage?.removeItem(name)
    },
  }
}

export function markPlacesHere(): MarkPlaces {
  try {
    return { cookies: document, storage: localStorage }
  } catch {
    return { cookies: document, storage: null }
  }
}

function cookieOf(all: string, name: string): string | null {
  const found = all.split('; ').find((one) => one.startsWith(`${name}=`))
  return found === undefined ? null : found.slice(name.length + 1)
}

/** Anybody may have written there. */
function parsed(value: string | null): DeviceId | null {
  try {
    return parseDeviceId(value)
  } catch {
    return null
  }
}
