/** The page of the benches in a browser: the raw limit and ours, side by side, called one at a time. */
import { loadDexie } from './dexie-leads.ts'
import { ourSide } from './our-side.ts'
import { rawSide } from './raw-side.ts'

globalThis.holdfastBench = { raw: rawSide(), ours: ourSide(), dexie: { load: loadDexie } }
