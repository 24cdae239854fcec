// The scripts of this folder, on small examples: that they see what they are for, and that a difference is not missed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { compare, explain } from './groups.mjs';
import { analyze } from './peer.mjs';

const tables = [{ name: 'T', columns: [['a', 'long'], ['s', 'string'], ['d', 'dynamic']] }];

function run(script, args, input) {
  return spawnSync(process.execPath, [join(import.meta.dirname, script), ...args], { input, encoding: 'utf8' });
}

function outcome(columns) {
  return { ok: true, diagnostics: [], columns };
}

const refusal = { ok: false, diagnostics: [{ code: 'KS1', message: "no 'x' at 3", severity: 'error' }], columns: null };

test('binds a query over given tables', () => {
  const result = analyze('T | summarize n = count(), sum(a) by s, x = tolower(s)', tables);
  assert.deepEqual(result, outcome([['s', 'string'], ['x', 'string'], ['n', 'long'], ['sum_a', 'long']]));
});

test('binds the functions of the prelude, and rules that call them', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/dtq-prelude.kql'), 'utf8');
  const functions = text.split('.create-or-alter function with (').slice(1).map((command) => {
    const [, name, rest] = /\)\n(\w+)(\([^]*\})/.exec(command);
    return `let ${name} = ${rest};\n`;
  });
  assert.equal(functions.length, 3);
  const rule = 'T | where trace_ratio(s) < 0.05 | extend d = redact(redact_card(d), "a", "b"), s = redact_card(s, "card")';
  const result = analyze(functions.join('') + rule, tables);
  assert.deepEqual(result, outcome([['a', 'long'], ['s', 'dynamic'], ['d', 'dynamic']]));
});

test('reports errors with offsets in bytes', () => {
  const result = analyze('T | where s == "\u00e9\u00e9" and nope == 1', tables);
  assert.equal(result.ok, false);
  assert.deepEqual(result.diagnostics.map(({ code, start, end }) => [code, start, end]), [['KS142', 26, 30]]);
});

test('a scalar has no columns, and plugins may leave them open', () => {
  assert.equal(analyze('1 + 1').columns, null);
  assert.equal(analyze('T | evaluate bag_unpack(d)', tables).open, true);
});

test('an unknown column type is said', () => {
  assert.throws(() => analyze('T', [{ name: 'T', columns: [['a', 'lnog']] }]), /no type is called lnog/);
});

test('check.mjs answers every line, also when the library gives up', () => {
  const wrong = [{ name: 'T', columns: [['a', 'lnog']] }];
  const lines = [{ id: 1, query: 'print x=1' }, { id: 2, query: 'T', tables: wrong }, { id: 3, query: 'T', tables }];
  const { stdout, status } = run('check.mjs', [], lines.map((line) => JSON.stringify(line)).join('\n'));
  assert.equal(status, 0);
  const answers = stdout.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(answers.map((answer) => [answer.id, answer.ok]), [[1, true], [2, false], [3, true]]);
  assert.match(answers[1].failed, /lnog/);
});

test('outcomes fall into their groups', () => {
  const long = outcome([['a', 'long']]);
  assert.equal(compare(long, outcome([['a', 'long']])).kind, 'same');
  assert.equal(compare(refusal, refusal).kind, 'both refuse');
  assert.deepEqual(compare(refusal, long), { kind: 'only we accept', why: 'KS1 no _ at n' });
  assert.deepEqual(compare(long, refusal), { kind: 'only they accept', why: 'KS1 no _ at n' });
  assert.equal(compare(long, undefined).kind, 'missing');
  const differing = (columns) => compare(outcome([['a', 'long'], ['b', 'int']]), outcome(columns)).why;
  assert.equal(differing([['a', 'long']]), 'number of columns');
  assert.equal(differing([['a', 'long'], ['c', 'int']]), 'name of a column');
  assert.equal(differing([['a', 'real'], ['b', 'int']]), 'type: long there, real here');
  assert.equal(differing([['b', 'int'], ['a', 'long']]), 'order of columns');
  assert.equal(differing(null), 'one result is a table and one is not');
});

test('a known difference is found by id or by the beginning of its group', () => {
  const difference = { kind: 'columns differ', why: 'type: int there, long here' };
  assert.equal(explain([{ id: 'x', reason: 'r' }], 'x', difference).reason, 'r');
  assert.equal(explain([{ id: 'y', reason: 'r' }], 'x', difference), undefined);
  assert.equal(explain([{ group: 'columns differ: type: int', reason: 'g' }], 'x', difference).reason, 'g');
  const narrow = [{ group: 'columns differ: type: int', query: 'abs\\(', reason: 'n' }];
  assert.equal(explain(narrow, 'x', difference, 'print abs(1)').reason, 'n');
  assert.equal(explain(narrow, 'x', difference, 'print 1'), undefined);
});

test('compare.mjs fails on a difference without a reason, and not on one with', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kusto-peer-'));
  const write = (name, value) => {
    writeFileSync(join(folder, name), value);
    return join(folder, name);
  };
  const theirs = write('theirs', JSON.stringify({ id: 'x', ...outcome([['a', 'int']]) }));
  const ours = write('ours', JSON.stringify({ id: 'x', ...outcome([['a', 'long']]) }));
  const known = write('known', JSON.stringify([{ id: 'x', reason: 'the engine says so' }]));
  const bare = run('compare.mjs', [theirs, ours]);
  assert.equal(bare.status, 1);
  assert.match(bare.stdout, /columns differ: 1\n +1 +type: int there, long here/);
  const explained = run('compare.mjs', [theirs, ours, '--known', known]);
  assert.equal(explained.status, 0);
  assert.match(explained.stdout, /known: the engine says so/);
  assert.match(run('compare.mjs', [theirs, theirs, '--known', known]).stdout, /known and not seen: x/);
  assert.equal(run('compare.mjs', [theirs]).status, 64);
  rmSync(folder, { recursive: true });
});

test('cases.mjs turns conformance files into queries and outcomes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kusto-peer-'));
  const path = join(folder, 'cases.jsonl');
  writeFileSync(path, '{"id":"a","query":"print x=1","columns":[["x","long"]]}\n{"id":"b","expr":"1","type":"long"}\n');
  assert.equal(run('cases.mjs', [path]).stdout, '{"id":"a","query":"print x=1"}\n{"id":"b","query":"print 1"}\n');
  assert.match(run('cases.mjs', ['--expected', path]).stdout, /"id":"b".*\[\["print_0","long"\]\]/);
  rmSync(folder, { recursive: true });
});

test('the lock file names no place to download from', () => {
  const lock = readFileSync(join(import.meta.dirname, 'package-lock.json'), 'utf8');
  assert.doesNotMatch(lock, /"resolved"|https?:/);
});
