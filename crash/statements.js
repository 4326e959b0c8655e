// @ts-check

/**
 * What the statements of the server do to an upload. A tail is confirmed by the next chunk, settled when its own server
 * is asked, and adopted by any other server.
 * @typedef {'find' | 'open' | 'commit chunk' | 'announce' | 'confirm' | 'settle' | 'retract' | 'find tail' | 'adopt' | 'lock' | 'media' | 'complete' | 'clean' | 'BEGIN' | 'COMMIT' | 'other'} Kind
 */

/** @type {readonly (readonly [Kind, RegExp])[]} */
const KINDS = [
  ['find', /^SELECT id, owner_id AS "ownerId", total/],
  ['open', /INSERT INTO upload_session /],
  ['commit chunk', /^WITH moved AS/],
  ['announce', /^UPDATE upload_session SET "offset" = \$3, part = NULL/],
  ['confirm', /^UPDATE upload_session SET "offset" = \$4, part = \$6/],
  ['settle', /^UPDATE upload_session SET "offset" = tail_end, part = tail_part/],
  ['retract', /^UPDATE upload_session SET part = tail_part/],
  ['find tail', /^SELECT name, start::float8 AS start, tail_end/],
  ['adopt', /^WITH adopted AS/],
  ['lock', /FROM upload_session WHERE id = \$1 AND owner_id = \$2 FOR UPDATE/],
  ['media', /^INSERT INTO "?media"? /],
  ['complete', /^UPDATE upload_session SET state = 'complete'/],
  ['clean', /DELETE FROM upload_part WHERE upload_id = \$1/],
  ['BEGIN', /^BEGIN/],
  ['COMMIT', /^COMMIT/],
];

/** Statements that change nothing of an upload, or have nothing to do with one. */
export const HARMLESS = /** @type {readonly Kind[]} */ (['find', 'find tail', 'other']);

/** Statements that make bytes count. */
export const COUNTING = /** @type {readonly Kind[]} */ ([
  'open',
  'commit chunk',
  'confirm',
  'settle',
  'adopt',
]);

/** @param {string} text @returns {Kind} */
export function kindOf(text) {
  const plain = text.trim().replace(/\s+/g, ' ');
  return KINDS.find(([, shape]) => shape.test(plain))?.[0] ?? 'other';
}

/** Names of parts in a statement, or in a system call that sends it. @param {string} text */
export function namesIn(text) {
  return [...new Set([...text.matchAll(/[0-9a-f]{32}\.[0-9a-f]{16}/g)].map(([name]) => name))];
}
