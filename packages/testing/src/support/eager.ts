/** The real surroundings with small luck: full jitter draws a fiftieth of its ceiling, so that many failures take little time. */
import { systemAmbient } from '@holdfast/client'

export const eager = {
  ambient: { ...systemAmbient, random: { ...systemAmbient.random, next: () => 0.02 } },
} as const
