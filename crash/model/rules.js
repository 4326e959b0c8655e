// @ts-check

/** The rules of the design. */
export const RULES = {
  ownParts: 'a server writes only into parts that it has created',
  compareOffset: 'a chunk counts only where the upload ends',
  comparePart: 'a chunk counts only if the last part is still the one that was read or is continued',
  leaveFailedParts: 'a part is never continued after a failure',
  leaveUnansweredParts: 'a new part stays if its statement got no answer, because it may count',
  fence: 'a tail is adopted only after its part was fenced',
  look: 'an announced chunk is acknowledged only after checking for a fence',
  rewriteTails: 'an adopted tail is written again, whether or not its old file was synced',
  compareTail: 'an adopted tail counts only if it is still the same',
  deadline: 'a new part counts only before its deadline, by the clock of Postgres',
  orphanAge: 'the sweeper removes old files only',
  compareState: "a completion checks the state again while it holds the row's lock",
  compareParts: 'a completion publishes only if offset and last part are those it read',
  publishUnderLock: "a completion renames onto the key while it holds the row's lock",
  publishDurably: 'a media row is committed after its file is durable',
  cleanAfterCommit: 'a completion removes the parts after its commit',
  endRowFirst: 'whoever ends an upload commits its state before the first file goes',
  compareMended: 'fsck changes a row only if it is still as it was read',
  disownMended: 'nobody continues the last part after fsck has set the offset back',
  takeBack: 'a failed write retracts its announcement',
};

/** Not part of the base design. Each removes a known weakness. */
export const AMENDMENTS = {
  ownKeys: 'each completion publishes under its own name, and inserts its media row with one compare-and-set',
  measure: 'whoever continues a part, or checks its fence, also checks the name and the length of the file',
};

/** @typedef {keyof typeof RULES} Rule */
/** @typedef {keyof typeof AMENDMENTS} Amendment */
/** @typedef {Record<Rule | Amendment, boolean>} Rules which of them hold */

/** @param {{ without?: Rule, amended?: Amendment }} changes @returns {Rules} */
export function design({ without, amended } = {}) {
  const all = { ...RULES, ...AMENDMENTS };
  const holds = Object.keys(all).map((name) => [name, name in RULES ? name !== without : name === amended]);
  return /** @type {Rules} */ (Object.fromEntries(holds));
}
