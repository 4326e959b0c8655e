// @ts-check
import { startAccount } from './account.js';
import { FOLDER, LIMITS } from './checks.js';
import { FaultyFetch } from './faults.js';
import { Library } from './library.js';
import { element } from './page.js';
import { showUnfinished } from './unfinished.js';
import { Uploads } from './uploads.js';

const faulty = new FaultyFetch();
const library = new Library();
const uploads = new Uploads({
  fetch: faulty.fetch,
  isKnown: (file) => library.has(file),
  finished: (media, id) => {
    library.add(media, id);
    void unfinished();
  },
});
const unfinished = () =>
  showUnfinished(
    () => uploads.ids,
    (media, id) => library.add(media, id),
  );

// Only demo servers have these.
element('demo-token').hidden = element('break').hidden =
  document.documentElement.dataset['trials'] !== 'true';
element('limits').textContent = LIMITS;

const files = element('files');
files.onchange = () => {
  uploads.add([...files.files]);
  files.value = '';
};

/** @param {DataTransfer | null} transfer */
function take(transfer) {
  /** @type {File[]} */
  const files = [];
  for (const item of transfer?.items ?? []) {
    const file = item.getAsFile();
    if (!file) continue;
    if (item.webkitGetAsEntry()?.isDirectory) uploads.refuse(file, FOLDER);
    else files.push(file);
  }
  uploads.add(files);
}

// Accept drops anywhere: otherwise the browser would open the file and leave the page.
document.ondragover = (event) => {
  event.preventDefault();
  element('drop').classList.add('over');
};
document.ondragleave = (event) => {
  if (event.relatedTarget === null) element('drop').classList.remove('over');
};
document.ondrop = (event) => {
  event.preventDefault();
  element('drop').classList.remove('over');
  take(event.dataTransfer);
};
document.onpaste = (event) => take(event.clipboardData);

for (const button of element('break').querySelectorAll('button'))
  button.onclick = () => faulty.next(button.dataset['fault'] ?? '');
// Browsers may restore the box of an earlier visit.
element('slow').onchange = window.onpageshow = () =>
  faulty.always(element('slow').checked ? 'slow' : undefined);

startAccount(() => {
  void library.reload();
  void unfinished();
});
