// @ts-check

/** @param {readonly number[]} values @param {number} share 0 … 1 @returns {number} */
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** @param {readonly number[]} values @returns {number} */
export function median(values) {
  return percentile(values, 0.5);
}

/** Formats rows as aligned columns. @param {readonly Record<string, string | number>[]} rows @returns {string} */
export function table(rows) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const cells = [names, ...rows.map((row) => names.map((name) => show(row[name])))];
  const widths = names.map((_, i) => Math.max(...cells.map((line) => (line[i] ?? '').length)));
  return cells.map((line) => line.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')).join('\n');
}

/** @param {string | number | undefined} value @returns {string} */
function show(value) {
  if (typeof value !== 'number') return value ?? '';
  return Number.isInteger(value) ? String(value) : value.toFixed(value < 10 ? 2 : 1);
}
