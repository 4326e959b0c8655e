/** What the address of the page says: where the API is, and a token for it. */
export const { api: url, token } = /** @type {{ api: string, token: string }} */ (
  Object.fromEntries(new URLSearchParams(location.search))
);

export const picker = /** @type {HTMLInputElement} */ (document.querySelector('#file'));

/** Shows a Media, for the test to read. @param {object} media */
export function onMedia(media) {
  show('media', JSON.stringify(media));
}

/** @param {Error} error */
export function onError(error) {
  show('error', error.message);
}

/** @param {string} id @param {string} text */
function show(id, text) {
  document.body.append(Object.assign(document.createElement('output'), { id, textContent: text }));
}
