// Two outcomes of one query to how they differ, in words that are the same for the same reason.
// Next: compare.mjs prints the groups.

/// Returns the first error of an outcome with names and numbers taken out, so that equal mistakes are equal.
function reason(outcome) {
  if (outcome.failed) return `failed: ${outcome.failed}`;
  const error = outcome.diagnostics.find((diagnostic) => diagnostic.severity === 'error');
  if (!error) return 'no reason given';
  const message = error.message.replace(/'[^']*'|`[^`]*`|"[^"]*"/g, '_').replace(/\d+/g, 'n');
  return `${error.code} ${message}`;
}

/// Returns how two lists of columns differ, or null.
function columnDifference(theirs, ours) {
  if (!theirs || !ours) return theirs === ours ? null : 'one result is a table and one is not';
  if (theirs.length !== ours.length) return 'number of columns';
  const index = theirs.findIndex(([name, type], at) => name !== ours[at][0] || type !== ours[at][1]);
  if (index < 0) return null;
  const sorted = (columns) => JSON.stringify(columns.map((column) => column.join(':')).sort());
  if (sorted(theirs) === sorted(ours)) return 'order of columns';
  const [[theirName, theirType], [ourName, ourType]] = [theirs[index], ours[index]];
  return theirName === ourName ? `type: ${theirType} there, ${ourType} here` : 'name of a column';
}

/// The kinds of outcome, the bad ones first.
export const kinds = ['only we accept', 'columns differ', 'only they accept', 'missing', 'both refuse', 'same'];

/// The kinds that break the promise: what we accept, they accept, with the same columns.
export const broken = ['only we accept', 'columns differ', 'missing'];

/// Returns `{kind, why}` for the outcomes of one query.
export function compare(theirs, ours) {
  if (!theirs || !ours) return { kind: 'missing', why: theirs ? 'no outcome of ours' : 'no outcome of theirs' };
  if (!theirs.ok && !ours.ok) return { kind: 'both refuse', why: '' };
  if (!theirs.ok) return { kind: 'only we accept', why: reason(theirs) };
  if (!ours.ok) return { kind: 'only they accept', why: reason(ours) };
  // Where their result may have any columns (plugins whose output depends on the data) nothing is stated to compare.
  const why = theirs.open || ours.open ? null : columnDifference(theirs.columns, ours.columns);
  return why ? { kind: 'columns differ', why } : { kind: 'same', why: '' };
}

/// Returns the known difference that explains an id in a group: by the id, or by the group's beginning together with,
/// where the entry has one, a regular expression that the query's text matches.
export function explain(known, id, { kind, why }, query = '') {
  return known.find((entry) => {
    if (entry.id) return entry.id === id;
    return `${kind}: ${why}`.startsWith(entry.group) && (!entry.query || new RegExp(entry.query).test(query));
  });
}
