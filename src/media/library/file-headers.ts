import contentDisposition from 'content-disposition';
import { contentType } from '../content/content-type.js';
import { saveName } from '../content/file-name.js';
import type { Media } from './media.entity.js';

const YEAR_SECONDS = 31_536_000;

const SANDBOX = { 'Content-Security-Policy': "sandbox; default-src 'none'" };

/**
 * How a file leaves the server: as exactly the type its bytes have, never run by the browser, cached for as long as its
 * URL lasts (which names one content for ever), usable from pages of other origins.
 * @param secondsLeft how long a signed URL is good; undefined for a public one
 */
export function fileHeaders(media: Media, secondsLeft: number | undefined): Record<string, string> {
  const shown = contentType(media.mime)?.kind === 'image' || media.mime === 'application/pdf';
  return {
    'Content-Type': media.charset === null ? media.mime : `${media.mime}; charset=${media.charset}`,
    'Content-Disposition': contentDisposition(downloadName(media), { type: shown ? 'inline' : 'attachment' }),
    // Browsers do not show a PDF in a sandbox; its viewer is one.
    ...(media.mime !== 'application/pdf' && SANDBOX),
    ...reuse(secondsLeft),
    ETag: `"${media.sha256}"`,
    'Last-Modified': media.addedAt.toUTCString(),
  };
}

/** Likewise for a thumbnail, whose key names one content for ever. */
export function thumbnailHeaders(key: string, secondsLeft: number | undefined): Record<string, string> {
  return { 'Content-Type': 'image/webp', ...SANDBOX, ...reuse(secondsLeft), ETag: `"${key}"` };
}

/** Taken for what it is said to be, cached for as long as its URL lasts, used in pages of any origin. */
function reuse(secondsLeft: number | undefined): Record<string, string> {
  return {
    'X-Content-Type-Options': 'nosniff',
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Cache-Control':
      secondsLeft === undefined
        ? `public, max-age=${YEAR_SECONDS}, immutable`
        : `private, max-age=${secondsLeft}`,
  };
}

function downloadName({ title, key, mime }: Media): string {
  const type = contentType(mime);
  return type ? saveName(title ?? key, type) : `${key}.bin`;
}
