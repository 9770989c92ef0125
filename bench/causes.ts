/**
 * Why a figure misses its target, by bench and line: the last column of the table in docs/performance.md. A person writes it,
 * with what was measured; `npm run bench -- all --write` puts it beside the figures while they miss.
 */
export const causes: { readonly [bench: string]: { readonly [line: string]: string } } = {
  'first-sync-node': {
    'embedded store, by pages': `${firstSyncInNode()}; ${besideMaking()}`,
    'embedded store, from a snapshot': firstSyncInNode(),
    'Postgres, by pages': `${firstSyncInNode()}; ${besideMaking()}`,
    'Postgres, from a snapshot': firstSyncInNode(),
  },
  'first-sync-browser': {
    'by rows':
      'a transaction per page of 10,000 rows, so that the app is usable meanwhile; each page is parsed, checked and made text again for json_each; the text of search is folded; the server makes pages on the same two cores',
    'beside a ready file': 'rows come as columns, and no file does: docs/decisions/snapshot.md',
  },
  snapshot: {
    'making, Postgres':
      'as JSON by columns and in parts of the feed: Postgres lists the feed, joins each row with its entry, sorts by part and writes each value as JSON, where COPY walks one table; then Node compresses and puts the parts into a table',
    'making, embedded store':
      'the limit reads one table in one statement; ours walks the feed in steps that let others have their turn, looks each row up by its id, and compresses',
    'server memory, Postgres': snapshotMemory(),
    'server memory, embedded store': snapshotMemory(),
  },
  'write-browser': {
    'follower tab, p50': 'the way through BroadcastChannel to the worker of the leader tab and back, about 0.25 ms',
  },
  'query-browser': {
    'list, p50': 'building and compiling the query by Kysely at each call, about 0.06 ms',
    'list, p99': 'not profiled; the slowest calls of both sides vary from run to run more than they differ',
  },
  'cold-start-browser': {
    'reload, first list': 'within the spread of the runs; the page of ours carries Kysely and the client besides React',
    'restart, list from the database':
      'not profiled; after a restart nothing is in the page cache, and ours reads more script than the bare worker before it opens the database (React, Kysely, the client, a worker of 34 kB)',
  },
  'idle-sync': {
    'time, 1,000 rows': idleRound(),
    'time, 100,000 rows': idleRound(),
    'time, 1,000,000 rows': idleRound(),
    'time, 100,000 rows, Postgres': `${idleRound()}; on Postgres the standing and the page are asked over sockets besides, at the same time`,
  },
  backlog: {
    Postgres:
      'of about 2.1 s, 0.9 s is the device: taking in outcomes and its own rows (0.25 s a batch of 2,500, a fifth of it commits); the rest is the server: rows, sidecar, two entries of the feed and an outcome for each operation, where the limit writes a row and a line of a changelog',
    'embedded store':
      'of 1.5 s of processor time in the server, 1.0 s is SQLite: rows 0.12 s, feed 0.20 s (two entries for each record), sidecar 0.06 s, and commits 0.39 s, because a batch of 2,500 random records touches most pages of five trees; 0.9 s more on the device',
  },
  burst: {
    'Postgres, one process': burst(),
    'Postgres, two processes': burst(),
    'embedded store':
      'the server takes 1.6 s of processor time, a fifth of it for collecting its heap early, and 0.4 s of the kernel, the devices share the two cores with it; of the first, a third is SQLite writing (rows, sidecar, two entries of the feed and an outcome for each operation), a fifth reading a page for each device, the rest requests, JSON, judging and compression',
    'server memory, embedded store':
      'within a few MB of it: the server starts with 115 MB, the caches of SQLite are 24 MB, and the heap is collected early (packages/server/src/operate/heap.ts)',
  },
  propagation: {
    'one process, p50': propagation(),
    'two processes, p50': propagation(),
    'embedded store, p50': propagation(),
  },
}

function propagation(): string {
  return 'the way has four durable commits (saved by A, marked as sent by A, the server, saved by B), where the limit has one, and the device waits 3 ms for writes of the same moment; from the commit to the request of the other device it is about 1 ms'
}

function burst(): string {
  return 'one backend of Postgres writes rows, feed, sidecar and outcomes of a group one after the other, where the limit writes rows and a changelog: the rows alone take it as long as the limit, the feed nearly as long again; Postgres takes 1.3 to 1.5 s of processor time in all, two fifths of the time of its statements goes to pages, one for each device (first sync included); the server (1.3 s, a quarter of it for collecting its heap early) and the devices share the two cores with it; groups of 1,000 and of 2,000 operations showed no gain beyond the spread of a busy machine'
}

function idleRound(): string {
  return 'the server takes 0.29 ms of processor time for a round, of which 0.07 ms is any request at all (GET /health), half of the rest is the write of the reply to the socket, and 0.06 ms is SQLite; the device writes nothing; the rest is its fetch, reading the reply as a stream, and the deadlines around it'
}

function firstSyncInNode(): string {
  return 'what comes is parsed, checked, and made text again for json_each, which takes a row apart more slowly than bound values go in; a transaction per part or page, so that the app is usable meanwhile; the text of search is folded'
}

function besideMaking(): string {
  return 'the server makes the snapshot meanwhile, on the same two cores: the line below is without that'
}

function snapshotMemory(): string {
  return 'not taken apart: a device that pulls pages while the snapshot is made is in it, and texts of 4 MB that V8 has not collected yet'
}
