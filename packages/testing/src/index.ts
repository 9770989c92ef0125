/**
 * @module @holdfast/testing — fakes of the client's ports: time, timers, randomness, connectivity and the server, all in a test's hand; a network that fails, and processes that are killed.
 */
export { createFakeClock, type FakeClock } from './fakes/fake-clock.ts'
export { createFakeConnectivity, type FakeConnectivity } from './fakes/fake-connectivity.ts'
export { createFakeTimers, type FakeTimers } from './fakes/fake-timers.ts'
export {
  createFakeTransport,
  type FakeTransport,
  problemReply,
  restartReply,
  type Script,
  type SentBody,
  type SentRequest,
  settledReply,
} from './fakes/fake-transport.ts'
export { createSeededRandom } from './fakes/seeded-random.ts'
export { startTcpProxy, type TcpProxy } from './network/tcp-proxy.ts'
export { type Program, type ProgramOptions, startProgram } from './support/program.ts'
export { atRest, until } from './support/until.ts'
