import contentDisposition from 'content-disposition';
import { contentType } from '../content/content-type.js';
import { saveName } from '../content/file-name.js';
import type { Media } from './media.entity.js';

const YEAR_SECONDS = 31_536_000;

/**
 * How a file leaves the server: as exactly the type its bytes have, never run by the browser, cached for good (a URL
 * names one content for ever), usable from pages of other origins.
 */
export function fileHeaders(media: Media): Record<string, string> {
  const shown = contentType(media.mime)?.kind === 'image' || media.mime === 'application/pdf';
  return {
    'Content-Type': media.mime.startsWith('text/') ? `${media.mime}; charset=utf-8` : media.mime,
    'Content-Disposition': contentDisposition(downloadName(media), { type: shown ? 'inline' : 'attachment' }),
    'X-Content-Type-Options': 'nosniff',
    // Browsers do not show a PDF in a sandbox; its viewer is one.
    ...(media.mime !== 'application/pdf' && { 'Content-Security-Policy': "sandbox; default-src 'none'" }),
    'Cross-Origin-Resource-Policy': 'cross-origin',
    'Cache-Control': `public, max-age=${YEAR_SECONDS}, immutable`,
    ETag: `"${media.sha256}"`,
  };
}

function downloadName({ title, key, mime }: Media): string {
  const type = contentType(mime);
  return type ? saveName(title ?? key, type) : `${key}.bin`;
}
