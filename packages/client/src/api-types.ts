// Generated from openapi.json by scripts/generate-api-types.js.

export interface ProblemDto {
  /** What the client should do next. */
  readonly action:
    'resend-chunk' | 'resume-from-offset' | 'restart' | 'wait' | 'refresh-token' | 'fix-request' | 'give-up';
  /** One entry per error; those of a field are `{"field", "messages": [{"message", "code"}]}`. */
  readonly errors: readonly Readonly<Record<string, unknown>>[];
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** For programs; stable. */
  readonly code: string;
  /** For people. */
  readonly detail: string;
  /** Identifies this response in the log of the server. */
  readonly request_id: string;
  /** The offset of the upload, for codes that need it. */
  readonly offset?: string;
}

export interface DevTokenRequestDto {
  /** The user to issue the token for, as a string or a number. */
  readonly user_id: string;
}

export interface DevTokenDto {
  /** Send it as `Authorization: Bearer <token>`. It is valid for a day. */
  readonly token: string;
  readonly user_id: string;
}

export interface HealthDto {
  readonly status: 'ok';
  /** The checks, by name. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ChunkFormDto {
  /** The chunk: 1 to 204,800 bytes. The part may also be called `document` or `file`, whatever the file is */
  readonly image: string;
  /** Required from the second chunk on */
  readonly upload_id?: string;
  /** With the first chunk: when the upload should expire, such as 2030-01-31T12:00:00Z */
  readonly expires?: string;
  /** If present, it must equal the start of the Content-Range */
  readonly offset?: string;
}

export interface ChunkMediaDto {
  /** Identifies the upload in further requests; 32 hex digits. */
  readonly upload_id: string;
  /** Bytes stored so far, as a string: where the next chunk starts. */
  readonly offset: string;
  /** When the upload expires; each chunk extends it. */
  readonly expires: string;
}

export interface CompletionDto {
  /** `image`, `eimage` or `doc`; otherwise the content decides */
  readonly type?: string;
  readonly upload_id: string;
  /** MD5 of the whole file; 32 hex digits. */
  readonly md5: string;
}

export interface ThumbnailDto {
  readonly url: string;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Dominant color, to show while the image loads. */
  readonly color: string;
}

export interface MediaDto {
  readonly embed: null;
  readonly id: number;
  readonly added_at: string;
  /** `doc` is everything but images; `eimage` is an image that the client declared as such at completion. */
  readonly type: 'image' | 'eimage' | 'doc';
  /** The sanitized file name; null if the client sent none. */
  readonly title: string | null;
  readonly description: string | null;
  /** URL of the file, for documents; null for images. */
  readonly url: string | null;
  /** URL of the file, for images; null for documents. */
  readonly image: string | null;
  /** In pixels, when displayed upright. */
  readonly image_width: number | null;
  /** In pixels, when displayed upright. */
  readonly image_height: number | null;
  readonly image_mimetype: string | null;
  /** Made in the background, so it is null for a moment after completion: read the media item again. It stays null for
documents, and for images from which no thumbnail can be made. */
  readonly image_thumbnail: ThumbnailDto | null;
  readonly order: number;
  /** Of the file at the URL, in bytes. It may be smaller than the upload, since metadata is removed from images. */
  readonly size: number;
  /** Detected from the bytes, whatever the client declared. */
  readonly mimetype: string;
  /** Only for text, detected from the bytes: a name from the WHATWG Encoding Standard. Left out if it cannot be told. */
  readonly charset?: string;
}

export interface RejectionDto {
  readonly code: string;
  readonly detail: string;
}

export interface UploadDto {
  /** Identifies the upload in further requests; 32 hex digits. */
  readonly upload_id: string;
  /** Bytes stored so far, as a string: where the next chunk starts. */
  readonly offset: string;
  /** When the upload expires; each chunk extends it. */
  readonly expires: string;
  /** Size of the whole file in bytes, as a string. */
  readonly total: string;
  readonly state: 'open' | 'complete' | 'cancelled' | 'expired' | 'rejected';
  /** The sanitized file name; null if the client sent none. */
  readonly title: string | null;
  readonly created_at: string;
  /** The id of the media item, once the upload is complete. */
  readonly media_id: number | null;
  /** Why the content was refused, if the upload was rejected. */
  readonly rejection: RejectionDto | null;
}

export interface UploadPageDto {
  readonly results: readonly UploadDto[];
  /** Number of results on all pages. */
  readonly count: number;
  /** URL of the next page; null on the last one. */
  readonly next: string | null;
  readonly previous: string | null;
}

export interface MediaPageDto {
  readonly results: readonly MediaDto[];
  /** Number of results on all pages. */
  readonly count: number;
  /** URL of the next page; null on the last one. */
  readonly next: string | null;
  readonly previous: string | null;
}

export interface MediaChangesDto {
  /** At most 255 characters. */
  readonly title?: string | null;
  /** At most 5000 characters, including line ends. */
  readonly description?: string | null;
}

export interface WholeFileDto {
  /** The file. The part may also be called `document` or `file`, whatever the file is */
  readonly image: string;
  /** MD5 of the file; 32 hex digits. If it is present, it must be right */
  readonly md5?: string;
}
