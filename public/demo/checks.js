// @ts-check
import { size } from './words.js';

const { imageMaxBytes, documentMaxBytes, types = '' } = document.documentElement.dataset;
const ALLOWED = types.split(' ');
const IMAGE_MAX = Number(imageMaxBytes ?? Infinity);
const DOCUMENT_MAX = Number(documentMaxBytes ?? Infinity);

const HEIC = /\.hei[cf]$/i;
/** Of these a browser knows what they are; for others the server looks at the bytes. */
const KNOWN = /^(image|video|audio|font)\//;

/** @param {string} prefix */
const isAllowed = (prefix) => ALLOWED.some((type) => type.startsWith(prefix));

const kinds = [
  ...[
    ['image/jpeg', 'JPEG'],
    ['image/png', 'PNG'],
    ['image/gif', 'GIF'],
    ['image/webp', 'WebP'],
    ['application/pdf', 'PDF'],
    ['application/vnd.openxmlformats', 'Word, Excel, PowerPoint'],
    ['application/vnd.oasis', 'OpenDocument'],
    ['text/plain', 'text'],
    ['text/csv', 'CSV'],
  ]
    .filter(([prefix]) => isAllowed(prefix ?? ''))
    .map(([, name]) => name),
].join(', ');

export const LIMITS = `${kinds}. Images up to ${limit(IMAGE_MAX)}, documents up to ${limit(DOCUMENT_MAX)}.`;

/** Limits are round in powers of two, and people call those MB. @param {number} bytes */
function limit(bytes) {
  return bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20} MB` : size(bytes);
}

export const FOLDER = 'Folders can’t be uploaded. Choose the files in it.';

/**
 * Why a file would be refused, as far as that is certain before anything is sent.
 * @param {File} file @returns {string | undefined}
 */
export function refusal({ name, type, size: bytes }) {
  if (bytes === 0) return 'The file is empty.';
  if (HEIC.test(name) || /^image\/hei[cf]/.test(type))
    return 'HEIC photos aren’t supported. Export the photo as JPEG, or set the camera to “Most compatible”.';
  if (KNOWN.test(type) && !ALLOWED.includes(type))
    return `This type isn’t supported. Choose one of: ${kinds}.`;
  const max = type.startsWith('image/') ? IMAGE_MAX : DOCUMENT_MAX;
  if (bytes > max) return `The file is too large: ${size(bytes)}, and at most ${limit(max)} are allowed.`;
  return undefined;
}
