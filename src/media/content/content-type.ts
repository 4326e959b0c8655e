import { MEDIA_TYPES, type KnownMediaType } from '../../config/media-types.js';

/** The type of a file, detected from its bytes. */
export interface ContentType {
  readonly mime: string;
  /** Without the dot. */
  readonly extension: string;
  readonly kind: 'image' | 'document';
}

/** Other extensions of text files, but none of files that programs run or browsers render. */
const TEXTS = (
  'text log md markdown rst adoc org tex bib csv tsv tab json jsonl ndjson geojson yaml yml toml ini cfg conf properties ' +
  'env srt vtt sub ass lrc vcf ics asc nfo sql diff patch po c h cpp hpp java go rs kt swift scala cs r m ipynb'
).split(' ');

/** The extensions of each type. The first one is assigned if a file has none of them. */
const EXTENSIONS: Readonly<Record<KnownMediaType, readonly [string, ...string[]]>> = {
  'image/jpeg': ['jpg', 'jpeg', 'jpe', 'jfif'],
  'image/png': ['png', 'apng'],
  'image/gif': ['gif'],
  'image/webp': ['webp'],
  'application/pdf': ['pdf'],
  'application/msword': ['doc', 'dot'],
  'application/vnd.ms-excel': ['xls', 'xlt'],
  'application/vnd.ms-powerpoint': ['ppt', 'pps', 'pot'],
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': ['docx', 'dotx'],
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': ['xlsx', 'xltx'],
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': ['pptx', 'ppsx', 'potx'],
  'application/vnd.oasis.opendocument.text': ['odt', 'ott'],
  'application/vnd.oasis.opendocument.spreadsheet': ['ods', 'ots'],
  'application/vnd.oasis.opendocument.presentation': ['odp', 'otp'],
  'text/plain': ['txt', ...TEXTS],
  'text/csv': ['csv'],
};

const TYPES: ReadonlyMap<string, ContentType> = new Map(
  MEDIA_TYPES.map((mime) => [
    mime,
    { mime, extension: EXTENSIONS[mime][0], kind: mime.startsWith('image/') ? 'image' : 'document' },
  ]),
);

/** The accepted type with a media type; undefined if it is never accepted. */
export function contentType(mime: string): ContentType | undefined {
  return TYPES.get(mime);
}

/** Whether files of a type may have this extension, given without its dot. */
export function fits({ mime }: ContentType, extension: string): boolean {
  return EXTENSIONS[mime as KnownMediaType].includes(extension.toLowerCase());
}
