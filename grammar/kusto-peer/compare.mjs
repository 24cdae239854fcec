// Two files of outcomes to their differences, grouped by reason:
//   node compare.mjs THEIRS.jsonl OURS.jsonl [--queries QUERIES.jsonl] [--known known.json] [--examples N]
// Ends with 1 if we accept what they refuse, or with other columns, and known.json gives no reason for it.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { broken, compare, explain, kinds } from './groups.mjs';

const { values, positionals } = parseArgs({
  options: { queries: { type: 'string' }, known: { type: 'string' }, examples: { type: 'string', default: '3' } },
  allowPositionals: true,
});
if (positionals.length !== 2) {
  console.error('usage: node compare.mjs THEIRS.jsonl OURS.jsonl [--queries FILE] [--known FILE] [--examples N]');
  process.exit(64);
}

function lines(path) {
  return readFileSync(path, 'utf8').split('\n').filter((line) => line.trim()).map((line) => JSON.parse(line));
}

function byId(path) {
  return new Map((path ? lines(path) : []).map((line) => [line.id, line]));
}

const [theirs, ours] = positionals.map(byId);
const queries = byId(values.queries);
const known = values.known ? JSON.parse(readFileSync(values.known, 'utf8')) : [];

const groups = new Map();
const used = new Set();
let unexplained = 0;
for (const id of new Set([...theirs.keys(), ...ours.keys()])) {
  const difference = compare(theirs.get(id), ours.get(id));
  const explained = broken.includes(difference.kind) ? explain(known, id, difference, queries.get(id)?.query) : undefined;
  if (explained) used.add(explained);
  else if (broken.includes(difference.kind)) unexplained += 1;
  const why = explained ? `known: ${explained.reason}` : difference.why;
  const key = JSON.stringify([difference.kind, why]);
  groups.set(key, [...(groups.get(key) ?? []), id]);
}

for (const kind of kinds) {
  const mine = [...groups].map(([key, ids]) => [JSON.parse(key), ids]).filter(([[name]]) => name === kind);
  if (!mine.length) continue;
  console.log(`${kind}: ${mine.reduce((sum, [, ids]) => sum + ids.length, 0)}`);
  for (const [[, why], ids] of mine.sort((a, b) => b[1].length - a[1].length).filter(([[, text]]) => text)) {
    console.log(`  ${String(ids.length).padStart(5)}  ${why}`);
    for (const id of ids.slice(0, Number(values.examples))) {
      console.log(`           ${id}`);
      const query = queries.get(id)?.query;
      if (query) console.log(`             ${query.replace(/\s+/g, ' ').slice(0, 200)}`);
      if (kind !== 'columns differ') continue;
      console.log(`             there ${JSON.stringify(theirs.get(id).columns)}`);
      console.log(`             here  ${JSON.stringify(ours.get(id).columns)}`);
    }
  }
}
for (const entry of known.filter((item) => !used.has(item) && item.id && theirs.has(item.id))) {
  console.log(`known and not seen: ${entry.id ?? entry.group}: take it out of ${values.known}`);
}
process.exitCode = unexplained ? 1 : 0;
