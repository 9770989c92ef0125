/** The commands of `holdfast`. Each answers the status with which the process ends. */
import { UsageError } from '@holdfast/core'
import { createAppServer, storeOf } from './create-app-server.ts'
import { loadApp } from './load-app.ts'
import { serveUntilStopped } from './serve-command.ts'
import { type Environment, parseEnvironment, shownConfiguration, variables } from './variables.ts'

const help = `holdfast serve APP      serves the app whose module this is (export const app = defineApp({ schema, scopes, rules }))
holdfast migrate APP    brings the database to the schema of the app, and ends
holdfast config         prints the configuration in effect, secrets masked

The configuration is the environment: docs/operating.md.`

/** Throws UsageError or EngineError with a message for the operator. */
export async function runCommand(words: readonly string[], environment: Environment): Promise<number> {
  const [command, ...given] = words
  switch (command) {
    case 'serve': {
      const app = await loadApp(onlyModule(command, given))
      const configuration = parseEnvironment(variables, environment)
      return serveUntilStopped(createAppServer(app, configuration), configuration)
    }
    case 'migrate': {
      const { schema } = await loadApp(onlyModule(command, given))
      const store = storeOf(parseEnvironment(variables, environment))(schema)
      await store.open()
      await store.close()
      console.log(`The database has version ${schema.version} of the schema.`)
      return 0
    }
    case 'config':
      parseEnvironment(variables, environment)
      console.log(shownConfiguration(variables, environment).join('\n'))
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

function onlyModule(command: string, given: readonly string[]): string {
  const [file, ...more] = given
  if (file === undefined || more.length > 0) {
    throw new UsageError(`holdfast ${command} takes the module of an app: holdfast ${command} ./server.ts`)
  }
  return file
}
