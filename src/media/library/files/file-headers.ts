import contentDisposition from 'content-disposition';
import { contentType } from '../../content/content-type.js';
import { saveName } from '../../content/file-name.js';
import type { NamedMedia } from '../media.entity.js';

const SANDBOX = { 'Content-Security-Policy': "sandbox; default-src 'none'" };

/** The headers of a file or thumbnail, the same for all requests. */
export interface FileHeaders extends Record<string, string> {
  readonly 'Content-Type': string;
  readonly ETag: string;
}

/** Serves a file with exactly the detected type, never executed by browsers, usable from other origins. */
export function fileHeaders(media: NamedMedia): FileHeaders {
  const shown = contentType(media.mime)?.kind === 'image' || media.mime === 'application/pdf';
  return {
    'Content-Type': media.charset === null ? media.mime : `${media.mime}; charset=${media.charset}`,
    'Content-Disposition': contentDisposition(downloadName(media), { type: shown ? 'inline' : 'attachment' }),
    // Browsers do not display a PDF in a sandbox. Their viewer is one already.
    ...(media.mime !== 'application/pdf' && SANDBOX),
    ...FOR_ALL,
    ETag: `"${media.sha256}"`,
    'Last-Modified': media.addedAt.toUTCString(),
  };
}

/** The same for a thumbnail, whose content never changes under its key. */
export function thumbnailHeaders(key: string): FileHeaders {
  return { 'Content-Type': 'image/webp', ...SANDBOX, ...FOR_ALL, ETag: `"${key}"` };
}

const FOR_ALL = {
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Accept-Ranges': 'bytes',
};

function downloadName({ title, key, mime }: NamedMedia): string {
  const type = contentType(mime);
  // A slash in a title does not separate folders.
  return type ? saveName((title ?? key).replace(/[/\\]/g, '_'), type) : `${key}.bin`;
}
