// @ts-check
import { authorized } from './account.js';
import { element, nameButtons, outcome, removeRow, rowOf } from './page.js';
import { percent, size } from './words.js';

const section = element('unfinished');
const list = section.querySelector('ul');
let asked = 0;

/** Uploads that a reload, or another device, has left open. @param {() => string[]} ownIds those this page is at */
export async function showUnfinished(ownIds) {
  const turn = ++asked;
  const { answer } = await outcome(authorized('media/upload/'));
  if (turn !== asked) return;
  const results = (answer?.results ?? []).filter(
    (/** @type {any} */ { upload_id: id }) => !ownIds().includes(id),
  );
  list.replaceChildren(...results.map(unfinishedRow));
  section.hidden = results.length === 0;
}

/** @param {any} upload */
function unfinishedRow({ upload_id: id, title, offset, total }) {
  const { row, part } = rowOf('unfinished-row');
  const name = title ?? 'A file without a name';
  part('.name').textContent = name;
  const where = `${percent(Number(offset) / Number(total))} of ${size(Number(total))}`;
  part('.detail').textContent = where;
  nameButtons(row, name);
  part('.cancel').onclick = async () => {
    const { error, status } = await outcome(authorized(`media/upload/${id}/`, { method: 'DELETE' }));
    if (error && status !== 404 && status !== 410) {
      part('.detail').textContent = `${where} · Not cancelled. ${error}`;
      return;
    }
    removeRow(row, element('upload-title'));
    section.hidden = list.children.length === 0;
  };
  return row;
}
