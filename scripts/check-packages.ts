/** The packages as npm would publish them: entries exist, types fit. Run after `tsc -b`, since it looks at what was built. */
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'

const packages = path.join(path.dirname(import.meta.dirname), 'packages')
let found = 0
for (const name of readdirSync(packages)) {
  const { messages, pkg } = await publint({ pkgDir: path.join(packages, name), strict: true })
  for (const message of messages) console.error(`${name}: ${formatMessage(message, pkg)}`)
  found += messages.length
}
process.exitCode = found === 0 ? 0 : 1
