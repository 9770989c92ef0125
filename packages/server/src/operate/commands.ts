/** The commands of `holdfast`. Each answers the status with which the process ends. */
import { parseArgs } from 'node:util'
import { UsageError } from '@holdfast/core'
import { createAppServer, storeOf } from './create-app-server.ts'
import { boundHeap } from './heap.ts'
import { loadApp } from './load-app.ts'
import { serveUntilStopped } from './serve-command.ts'
import { startProblem } from './start-problem.ts'
import { type Environment, readConfiguration, shownConfiguration } from './variables.ts'

const help = `holdfast serve APP      serves the app whose module this is (export const app = defineApp({ schema, scopes, rules }))
holdfast migrate APP    brings the database to the schema of the app, and ends
holdfast restored APP   says that the database was restored from a backup, or moved, before it is served again;
                        --served: it has been served since
holdfast config         prints the configuration in effect, secrets masked

The configuration is the environment: docs/operating.md.`

/** Throws UsageError or EngineError with a message for the operator. */
export async function runCommand(words: readonly string[], environment: Environment): Promise<number> {
  const [command, ...given] = words
  switch (command) {
    case 'serve': {
      const app = await loadApp(onlyModule(command, given))
      const configuration = readConfiguration(environment)
      boundHeap()
      return serveUntilStopped(createAppServer(app, configuration), configuration)
    }
    case 'migrate': {
      const { schema } = await loadApp(onlyModule(command, given))
      const configuration = readConfiguration(environment)
      const store = storeOf(configuration)(schema)
      await store.open().catch((error: unknown) => {
        throw startProblem(error, configuration)
      })
      await store.close()
      console.log(`The database has version ${schema.version} of the schema.`)
      return 0
    }
    case 'restored': {
      const { values, positionals } = parsedRestored(given)
      const { schema } = await loadApp(onlyModule(command, positionals))
      const configuration = readConfiguration(environment)
      const fork = values.served === true ? 'unknown' : 'head'
      const starting = storeOf(configuration)(schema).startGeneration({ fork, after: null })
      const generation = await starting.catch((error: unknown) => {
        throw startProblem(error, configuration)
      })
      console.log(`The database has a new generation, ${generation}: devices send again what it does not have.`)
      return 0
    }
    case 'config':
      readConfiguration(environment)
      console.log(shownConfiguration(environment).join('\n'))
      return 0
    case undefined:
    case 'help':
    case '--help':
      console.log(help)
      return 0
    default:
      throw new UsageError(`There is no command "${command}".\n\n${help}`)
  }
}

function parsedRestored(given: readonly string[]) {
  try {
    return parseArgs({ args: [...given], allowPositionals: true, options: { served: { type: 'boolean' } } })
  } catch (cause) {
    throw new UsageError(`${cause instanceof Error ? cause.message : cause}\n\n${help}`, { cause })
  }
}

function onlyModule(command: string, given: readonly string[]): string {
  const [file, ...more] = given
  if (file === undefined || more.length > 0) {
    throw new UsageError(`holdfast ${command} takes the module of an app: holdfast ${command} ./server.ts`)
  }
  return file
}
