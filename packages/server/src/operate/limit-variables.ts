/** The limits of the server as variables: `HOLDFAST_LIMIT_PUSHES_MAX` is `pushesMax`. */
import { defaultLimits, type Limits } from '../http/limits.ts'
import { type Variable, whole } from './variable.ts'

const limitMeanings: { readonly [K in keyof Limits]: string } = {
  pushesMax: 'Rounds with operations under way; one more waits.',
  pullsMax: 'Rounds without operations under way; one more waits.',
  firstPullsMax: 'Rounds of devices that begin with nothing, under way; one more waits.',
  snapshotsMax: 'Parts of snapshots under way; one more waits.',
  rescuesMax: 'Rescue files under way; one more waits.',
  pagesMax: 'Pages that are read from the database at a time: two or more below the connections.',
  waitingMax: 'Requests of each of these kinds that wait; one more gets 503.',
  waitMsMax: 'How long one waits before it gets 503, in milliseconds.',
  userRequestsMax: 'Requests of one user under way; one more gets 429.',
  userRequestsPerSecond: 'Requests of one user per second; ten seconds of them may come at once.',
  deviceRequestsMax: 'Requests of one device under way; one more gets 429.',
  deviceRequestsPerSecond: 'Requests of one device per second; ten seconds of them may come at once.',
  userStreamsMax: 'Streams of pokes of one user; one more gets 429.',
  streamsMax: 'Streams of pokes; one more gets 503.',
  bodyBytesMax: 'Bytes of request bodies that are worked on, as they came and inflated.',
  userBodyBytesMax: 'The same of one user.',
  replyBytesMax: 'Bytes of replies that wait for their readers; beyond them nobody pulls.',
  connectionsMax: 'Connections to the server, streams included; one more is closed.',
  headersMsMax: 'How long the headers of a request may take, in milliseconds.',
  requestMsMax: 'How long a whole request may take to arrive, in milliseconds.',
  replyBytesPerSecondMin: 'A reader that takes fewer bytes per second than that, over 30 s, is cut off.',
}

const limitNames = Object.keys(limitMeanings) as readonly (keyof Limits)[]

/** `HOLDFAST_LIMIT_PUSHES_MAX` of `pushesMax`. */
function limitVariable(name: keyof Limits): string {
  return `HOLDFAST_LIMIT_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}

export const limitVariables: { readonly [name: string]: Variable<number> } = Object.fromEntries(
  limitNames.map((name) => [
    limitVariable(name),
    whole(limitMeanings[name], String(defaultLimits[name]), 1, Number.MAX_SAFE_INTEGER),
  ]),
)

/** What the environment says of them. */
export function limitsIn(parsed: { readonly [name: string]: unknown }): Partial<Limits> {
  return Object.fromEntries(limitNames.map((name) => [name, parsed[limitVariable(name)]]))
}
