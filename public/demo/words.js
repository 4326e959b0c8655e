// @ts-check

const UNITS = ['B', 'kB', 'MB', 'GB'];

/** @param {number} bytes */
export function size(bytes) {
  const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** step;
  return `${value.toFixed(step > 0 && value < 10 ? 1 : 0)} ${UNITS[step]}`;
}

/** @param {number | null} seconds */
export function span(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return '…';
  return seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}

/** @param {number} share from 0 to 1 */
export function percent(share) {
  return `${Math.floor(share * 100)} %`;
}

/** @param {number} count @param {string} noun */
export function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
