import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, inject, onTestFinished, test } from 'vitest'
import { findPsql } from '../support/psql.ts'
import { sqlSchema } from '../support/sql-schema.ts'
import { createSqlWorld } from '../support/sql-world.ts'
import { onPostgres } from '../support/store-kind.ts'

const psql = findPsql()
const file = path.join(import.meta.dirname, '../../../../docs/other-writers.md')

test('[I-29] the examples of docs/other-writers.md do what it says', { timeout: 30_000 }, async () => {
  const w = await createSqlWorld(onPostgres(inject('postgresUrl')), sqlSchema, onTestFinished)
  const [{ place } = {}] = await w.read('select current_schema() as place')
  const blocks = readFileSync(file, 'utf8').matchAll(/^```(sql|sql refused|sh)\n([\s\S]*?)^```$/gm)
  const examples = [...blocks].map(([, kind, text = '']) => ({
    kind,
    // Roles are of the whole cluster, and the test has a schema of its own.
    text: text
      .replaceAll('importer', `importer_${place}`)
      .replaceAll(/(schema |search_path = )holdfast/g, `$1${place}`),
  }))
  onTestFinished(() => w.sql(`drop owned by importer_${place}; drop role importer_${place}`))
  for (const { kind, text } of examples) {
    if (kind === 'sql') await w.sql(text)
    else if (kind === 'sql refused') await expect(w.sql(text), text).rejects.toThrow()
    else if (psql !== null) await runShell(text, w.database.address)
  }
  expect(Map.groupBy(examples, ({ kind }) => kind).get('sql refused')?.length).toBe(3)
  const [ali, bea] = [w.wireDevice('agent:ali'), w.wireDevice('agent:bea')]
  for (const device of [ali, bea]) await device.sync()
  const names = (device: typeof ali) =>
    [...device.held('leads').values()].map(({ values }) => values.fields.name).sort()
  expect([names(ali), names(bea)]).toEqual(
    psql === null ? [['Mona Hassan'], []] : [['First', 'Mona Hassan'], ['Second']],
  )
  expect(await w.read(`select version::int, state from _sidecar_leads where id = 'crm-4711'`)).toEqual([
    { version: 5, state: 'deleted' },
  ])
})

/** As an operator would, with the database named by the environment. */
async function runShell(text: string, address: string): Promise<void> {
  const url = new URL(address)
  const env = {
    PATH: `${path.dirname(String(psql))}:${process.env.PATH}`,
    PGHOST: url.hostname,
    PGPORT: url.port,
    PGUSER: url.username,
    PGDATABASE: url.pathname.slice(1),
    PGOPTIONS: url.searchParams.get('options') ?? '',
  }
  await promisify(execFile)('sh', ['-e', '-c', text], { env })
}
