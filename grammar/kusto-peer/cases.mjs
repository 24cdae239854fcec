// Conformance files to the lines that check.mjs reads (default), or to the outcome they state (--expected), in the
// shape that check.mjs writes, so that compare.mjs can hold one against the other.
// A case states its columns as "columns" or "schema"; one that is a single expression is asked as `print`.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({ options: { expected: { type: 'boolean' } }, allowPositionals: true });
for (const path of positionals) {
  for (const line of readFileSync(path, 'utf8').split('\n').filter((text) => text.trim())) {
    const entry = JSON.parse(line);
    const query = entry.query ?? `print ${entry.expr}`;
    const columns = entry.columns ?? entry.schema ?? [['print_0', entry.type]];
    const stated = { id: entry.id, ok: true, diagnostics: [], columns };
    process.stdout.write(JSON.stringify(values.expected ? stated : { id: entry.id, query }) + '\n');
  }
}
