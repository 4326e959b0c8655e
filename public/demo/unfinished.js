// @ts-check
import { authorized } from './account.js';
import { announce, element, nameButtons, outcome, removeRow, rowOf } from './page.js';
import { watch } from './watch.js';
import { percent, size } from './words.js';

const section = element('unfinished');
const list = section.querySelector('ul');
/** Each takes one of six connections, and uploads need some. */
const MAX_WATCHED = 2;
let asked = 0;
let watching = new AbortController();

/**
 * Shows open uploads that an earlier visit left, or that another tab or device is sending.
 * @param {() => string[]} ownIds those that this page is sending @param {(media: any, id: string) => void} finished
 */
export async function showUnfinished(ownIds, finished) {
  const turn = ++asked;
  const { answer } = await outcome(authorized('media/upload/'));
  if (turn !== asked) return;
  const results = (answer?.results ?? []).filter(
    (/** @type {any} */ { upload_id: id }) => !ownIds().includes(id),
  );
  const rows = results.map(unfinishedRow);
  list.replaceChildren(...rows.map((/** @type {any} */ { row }) => row));
  section.hidden = results.length === 0;
  watching.abort();
  watching = new AbortController();
  for (const [index, { row, showOffset }] of rows.slice(0, MAX_WATCHED).entries()) {
    const { upload_id: id } = results[index];
    void watch(
      id,
      (type, data) => {
        if (type === 'offset' || type === 'completing') return showOffset(data);
        if (type === 'complete') finished(data, id);
        if (row.isConnected) removeRow(row, element('upload-title'));
        section.hidden = list.children.length === 0;
      },
      watching.signal,
    );
  }
}

/** @param {any} upload */
function unfinishedRow({ upload_id: id, title, offset, total }) {
  const { row, part } = rowOf('unfinished-row');
  const name = title ?? 'A file without a name';
  part('.name').textContent = name;
  let where = '';
  const showOffset = (/** @type {{ offset: string }} */ { offset: now }) => {
    where = `${percent(Number(now) / Number(total))} of ${size(Number(total))}`;
    part('.detail').textContent = where;
  };
  showOffset({ offset });
  nameButtons(row, name);
  part('.cancel').onclick = async () => {
    const { error, status } = await outcome(authorized(`media/upload/${id}/`, { method: 'DELETE' }));
    if (error && status !== 404 && status !== 410) {
      part('.detail').textContent = `${where} · Not cancelled. ${error}`;
      return announce(`${name} was not cancelled. ${error}`, true);
    }
    announce(`${name} cancelled`, true);
    removeRow(row, element('upload-title'));
    section.hidden = list.children.length === 0;
  };
  return { row, showOffset };
}
