// JSON lines {"id","query","tables"} on standard input to JSON lines {"id","ok","diagnostics","columns"}.
// A query on which the library itself throws gets "failed" with what it said. Next: compare.mjs.

import { createInterface } from 'node:readline';
import { analyze } from './peer.mjs';

for await (const line of createInterface({ input: process.stdin })) {
  if (!line.trim()) continue;
  const { id, query, tables } = JSON.parse(line);
  let result;
  try {
    result = analyze(query, tables);
  } catch (error) {
    result = { ok: false, diagnostics: [], columns: null, failed: String(error?.message ?? error).split('\n')[0] };
  }
  process.stdout.write(JSON.stringify({ id, ...result }) + '\n');
}
