// One query and its tables to what Microsoft's parser and binder say of it: diagnostics and result columns.
// The library is C# compiled to JavaScript: two scripts that define the globals Bridge and Kusto. Next: check.mjs.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import vm from 'node:vm';

const library = dirname(createRequire(import.meta.url).resolve('@kusto/language-service-next/package.json'));
for (const name of ['bridge.min.js', 'Kusto.Language.Bridge.min.js']) {
  vm.runInThisContext(readFileSync(join(library, name), 'utf8'), { filename: name });
}
const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

/// Returns the elements of one of the library's lists.
function items(list) {
  return Array.from({ length: list ? list.Count : 0 }, (_, index) => list.getItem(index));
}

function columnSymbol([name, type]) {
  const symbol = Symbols.ScalarTypes.GetSymbol(type);
  if (!symbol) throw new Error(`column ${name}: no type is called ${type}`);
  return new Symbols.ColumnSymbol(name, symbol, null, null, null, null);
}

function globals(tables) {
  const symbols = tables.map((table) => new Symbols.TableSymbol.$ctor4(table.name, table.columns.map(columnSymbol)));
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('db', symbols));
}

/// Returns the name of a column's type; what is known of a dynamic's inside is left out.
function typeName(type) {
  return /dynamic/i.test(type?.constructor?.$$name ?? '') ? 'dynamic' : type?.Name ?? 'unknown';
}

/// Returns the result's columns, or null if it is no table.
function resultColumns(type) {
  const isTable = type instanceof Symbols.TableSymbol;
  return isTable ? items(type.Columns).map((column) => [column.Name, typeName(column.Type)]) : null;
}

/// Returns a function from the library's offsets (UTF-16 units) to offsets in bytes of UTF-8, as dtq counts them.
function byteOffsets(text) {
  return (offset) => Buffer.byteLength(text.slice(0, offset), 'utf8');
}

/// Returns `{ok, diagnostics, columns}` of a query; `ok` is that no diagnostic is an error.
export function analyze(query, tables = []) {
  const code = KustoCode.ParseAndAnalyze(query, globals(tables));
  const bytes = byteOffsets(query);
  const diagnostics = items(code.GetDiagnostics()).map((diagnostic) => ({
    code: diagnostic.Code,
    message: diagnostic.Message,
    start: bytes(diagnostic.Start),
    end: bytes(diagnostic.End),
    severity: diagnostic.Severity.toLowerCase(),
  }));
  const ok = !diagnostics.some((diagnostic) => diagnostic.severity === 'error');
  const result = { ok, diagnostics, columns: resultColumns(code.ResultType) };
  if (code.ResultType?.IsOpen) result.open = true;
  return result;
}
