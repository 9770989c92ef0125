/** The module of an app, by its path: TypeScript as it is, where this Node can read it, or JavaScript. */
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { isObject, UsageError } from '@holdfast/core'
import type { AppDefinition } from './define-app.ts'

/** Throws UsageError where there is no module, or where it exports none. */
export async function loadApp(file: string): Promise<AppDefinition> {
  const module: unknown = await import(pathToFileURL(path.resolve(file)).href).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new UsageError(`The app module ${file} cannot be loaded: ${reason}`, { cause })
  })
  const app = isObject(module) ? module.app : undefined
  if (isApp(app)) return app
  throw new UsageError(`${file} must export its app: export const app = defineApp({ schema, scopes })`)
}

function isApp(given: unknown): given is AppDefinition {
  return (
    isObject(given) &&
    isObject(given.schema) &&
    isObject(given.schema.collections) &&
    typeof given.scopes === 'function'
  )
}
