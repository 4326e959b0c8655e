/** What a file is, by its bytes. */
export interface ContentType {
  readonly mime: string;
  /** Without the dot. */
  readonly extension: string;
  readonly kind: 'image' | 'document';
}

const IMAGES = { 'image/jpeg': 'jpg', 'image/png': 'png', 'image/gif': 'gif', 'image/webp': 'webp' };

const DOCUMENTS = {
  'application/pdf': 'pdf',
  'application/msword': 'doc',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.ms-powerpoint': 'ppt',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
  'application/vnd.oasis.opendocument.text': 'odt',
  'application/vnd.oasis.opendocument.spreadsheet': 'ods',
  'application/vnd.oasis.opendocument.presentation': 'odp',
  'text/plain': 'txt',
  'text/csv': 'csv',
};

const TYPES: ReadonlyMap<string, ContentType> = new Map([
  ...types(IMAGES, 'image'),
  ...types(DOCUMENTS, 'document'),
]);

export const ACCEPTED_TYPES: readonly string[] = [...TYPES.keys()];

/** The accepted type of a media type; undefined for everything that is not taken. */
export function contentType(mime: string): ContentType | undefined {
  return TYPES.get(mime);
}

function types(
  extensions: Readonly<Record<string, string>>,
  kind: ContentType['kind'],
): [string, ContentType][] {
  return Object.entries(extensions).map(([mime, extension]) => [mime, { mime, extension, kind }]);
}
