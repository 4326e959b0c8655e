// @ts-check

/** An upload takes up to one connection, and browsers open six to a server for all tabs together. */
const MAX_AT_ONCE = 3;

/** The first ones run, the others wait. @type {{ run: () => void }[]} */
const uploads = [];

/** Runs an upload once it is its turn, wherever on the page it comes from. @param {{ run: () => void }} upload */
export function enter(upload) {
  uploads.push(upload);
  if (uploads.length <= MAX_AT_ONCE) upload.run();
}

/** @param {{ run: () => void }} upload */
export function leave(upload) {
  const place = uploads.indexOf(upload);
  if (place < 0) return;
  uploads.splice(place, 1);
  if (place < MAX_AT_ONCE) uploads[MAX_AT_ONCE - 1]?.run();
}
