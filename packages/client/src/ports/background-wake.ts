/**
 * The port to background wake-up: the platform runs a round while no screen shows the app.
 *
 * BW1  A wake is a hint; the platform gives none, one or many. Nothing may depend on it.
 * BW2  Whoever wakes must be able to open the store. A browser's service worker cannot (the file handles of OPFS exist in
 *      dedicated workers only), so in browsers there is no wake-up while every tab is closed: a service worker that gets one can only
 *      tell an open tab, or ask the person to open the app. Native shells and Node can keep the law.
 * BW3  The wake lasts until the promise of `onWake` settles, and the platform may end it earlier: a round is safe to cut at
 *      any point.
 */
export interface BackgroundWake {
  /** Asks the platform to wake the app about every `everyMs`; answers how to stop. */
  register(everyMs: number, onWake: () => Promise<void>): () => void
}
