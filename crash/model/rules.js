// @ts-check

/** The rules of the design. */
export const RULES = {
  ownParts: 'a server writes into parts that it made itself, and into no others',
  compareOffset: 'a chunk counts only where the upload ends',
  comparePart: 'a chunk counts only if the last part is still the one that was read, or that is continued',
  leaveFailedParts: 'a part is never continued after a failure',
  leaveUnansweredParts: 'a new part stays if its statement got no answer: it may count',
  fence: 'a tail is adopted only after its part was fenced',
  look: 'a chunk that was announced is acknowledged only after a look for the fence',
  rewriteTails: "an adopted tail is written anew, whatever the old file's sync said",
  compareTail: 'an adopted tail counts only if it still is the very same one',
  deadline: 'a new part counts only before its deadline, by the clock of Postgres',
  orphanAge: 'the sweeper removes old files only',
  compareState: "a completion looks at the state again, under the row's lock",
  compareParts: 'a completion publishes only if offset and last part are those it read',
  publishUnderLock: "a completion renames onto the key under the row's lock",
  publishDurably: 'a media row is committed after its file is durable',
  cleanAfterCommit: 'a completion removes the parts after its commit',
  endRowFirst: 'whoever ends an upload commits its state before the first file goes',
  compareMended: 'fsck mends a row only if it still is the one that it read',
  disownMended: 'nobody continues the last part after fsck has set the offset back',
  takeBack: 'a failed write takes its announcement back',
};

/** What the design does not do, and what its known weaknesses call for. */
export const AMENDMENTS = {
  ownKeys: 'each completion makes a file under a name of its own, and one compare-and-set with its media row',
  measure: 'who continues a part, or looks for its fence, sees that the file has its name and its length',
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
