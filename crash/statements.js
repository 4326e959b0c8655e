// @ts-check

/**
 * What the statements of the server do to an upload; `begin` and `append` are the same one, as are those of the tails.
 * @typedef {'open' | 'commit chunk' | 'announce' | 'confirm' | 'retract' | 'adopt' | 'lock' | 'media' | 'BEGIN' | 'COMMIT' | 'other'} Kind
 */

/** @type {readonly (readonly [Kind, RegExp])[]} */
const KINDS = [
  ['open', /INSERT INTO upload_session /],
  ['commit chunk', /^WITH moved AS/],
  ['announce', /^UPDATE upload_session SET "offset" = \$3, part = NULL/],
  ['confirm', /^UPDATE upload_session SET "offset" = \$4, part = \$6/],
  ['retract', /^UPDATE upload_session SET part = tail_part/],
  ['adopt', /^WITH adopted AS/],
  ['lock', /FROM upload_session WHERE id = \$1 AND owner_id = \$2 FOR UPDATE/],
  ['media', /^INSERT INTO "?media"? /],
  ['BEGIN', /^BEGIN/],
  ['COMMIT', /^COMMIT/],
];

/** Statements after which bytes count, whoever asks. */
export const COUNTING = /** @type {readonly Kind[]} */ (['open', 'commit chunk', 'confirm', 'adopt']);

/** @param {string} text @returns {Kind} */
export function kindOf(text) {
  const plain = text.trim().replace(/\s+/g, ' ');
  return KINDS.find(([, shape]) => shape.test(plain))?.[0] ?? 'other';
}

/** Names of parts in the values of a statement, or in a system call that sends it. @param {string} text */
export function namesIn(text) {
  return [...new Set([...text.matchAll(/[0-9a-f]{32}\.[0-9a-f]{16}/g)].map(([name]) => name))];
}
