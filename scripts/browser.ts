// Finds a Chromium for the tests: the one you name, the one of the system, or the one npm installed.
// No download: machines that build this have a package registry and nothing else.

import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** Goes as it is into the launch options of Playwright. */
export interface Browser {
  readonly executablePath: string
  readonly args: string[]
}

export function findBrowser(): Browser {
  const executablePath = named() ?? systemPaths.find((file) => existsSync(file)) ?? unpacked()
  if (executablePath !== undefined) return { executablePath, args }
  throw new Error(
    'No Chromium found. Install one (Debian: apt-get install chromium), or set HOLDFAST_CHROMIUM to its executable.',
  )
}

const systemPaths = [
  '/usr/bin/chromium',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

const args = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), // Chromium refuses its sandbox to root.
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

function named(): string | undefined {
  const file = process.env.HOLDFAST_CHROMIUM
  if (file !== undefined && !existsSync(file)) {
    throw new Error(`HOLDFAST_CHROMIUM is ${file}, which does not exist. Correct it, or unset it to search for one.`)
  }
  return file
}

/**
 * Unpacks @sparticuz/chromium once, beside the installed packages. That package was made for a cloud function: by
 * itself it unpacks to fixed names in /tmp, sets LD_LIBRARY_PATH for this whole process, and asks for arguments that
 * switch off process isolation. Here it gets a directory of its own, made whole by one rename so that two test runs
 * may start together, and a launcher that sets the environment for Chromium only.
 */
function unpacked(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined // It carries this one binary.
  const modules = fileURLToPath(new URL('../node_modules', import.meta.url))
  const manifest = path.join(modules, '@sparticuz/chromium/package.json')
  if (!existsSync(manifest)) return undefined
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }
  const home = path.join(modules, '.cache', `chromium-${version}`)
  const launcher = path.join(home, 'launch')
  if (existsSync(launcher)) return launcher

  mkdirSync(path.dirname(home), { recursive: true })
  const draft = mkdtempSync(`${home}-`)
  const env = { ...process.env, TMPDIR: draft, AWS_LAMBDA_JS_RUNTIME: 'nodejs22.x' } // Named so, it adds its libraries.
  const code = "await (await import('@sparticuz/chromium')).default.executablePath()"
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: path.dirname(modules),
    env,
    encoding: 'utf8',
  })
  if (done.status !== 0) throw new Error(`@sparticuz/chromium did not unpack into ${draft}: ${done.stderr}`)
  writeFileSync(path.join(draft, 'fonts.conf'), fontsConf)
  writeFileSync(path.join(draft, 'launch'), launcherSh)
  chmodSync(path.join(draft, 'launch'), 0o755)
  try {
    renameSync(draft, home)
  } catch (cause) {
    rmSync(draft, { recursive: true })
    if (!existsSync(launcher)) throw new Error(`Could not write ${home}. Is the disk full?`, { cause })
  }
  return launcher
}

const launcherSh = `#!/bin/sh
here=$(dirname "$0")
export LD_LIBRARY_PATH="$here/al2023/lib"
export FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
`

const fontsConf = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts</dir>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`
