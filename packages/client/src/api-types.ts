// Generated from openapi.json by scripts/generate-api-types.js.

export interface DevTokenRequestDto {
  /** Whom the token is for. */
  readonly user_id: string;
}

export interface DevTokenDto {
  /** To send as `Authorization: Bearer <token>`; good for a day. */
  readonly token: string;
  readonly user_id: string;
}

export interface HealthDto {
  readonly status: 'ok';
  /** What was looked at, by name. */
  readonly details: Readonly<Record<string, unknown>>;
}

export interface ProblemDto {
  /** What to do next. */
  readonly action:
    'resend-chunk' | 'resume-from-offset' | 'restart' | 'wait' | 'refresh-token' | 'fix-request' | 'give-up';
  /** One entry per fault; those of a field are `{"field", "messages": [{"message", "code"}]}`. */
  readonly errors: readonly Readonly<Record<string, unknown>>[];
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Stable, for programs. */
  readonly code: string;
  /** For people. */
  readonly detail: string;
  /** Names this answer in the server's log. */
  readonly request_id: string;
  /** Where the upload stands, for the codes that tell it. */
  readonly offset?: string;
}

export interface ChunkFormDto {
  /** The chunk: 1 to 204,800 bytes. The part may also be called `document` or `file`; the name says nothing about the kind */
  readonly image: string;
  /** From the second chunk on */
  readonly upload_id?: string;
  /** On the first chunk: when to give the upload up, such as 2030-01-31T12:00:00Z */
  readonly expires?: string;
  /** If given, the start of the Content-Range */
  readonly offset?: string;
}

export interface ChunkMediaDto {
  /** Names the upload in every further request; 32 hex digits. */
  readonly upload_id: string;
  /** Bytes stored so far, as a string: where the next chunk starts. */
  readonly offset: string;
  /** When the upload is given up unless it goes on; each chunk puts it off. */
  readonly expires: string;
}

export interface CompletionDto {
  /** `image`, `eimage` or `doc`; anything else leaves it to the bytes */
  readonly type?: string;
  readonly upload_id: string;
  /** Of the whole file; 32 hex digits. */
  readonly md5: string;
}

export interface ThumbnailDto {
  readonly url: string;
  /** In pixels. */
  readonly width: number;
  /** In pixels. */
  readonly height: number;
  /** Dominant colour, to show while the picture loads. */
  readonly color: string;
}

export interface MediaDto {
  readonly embed: null;
  readonly id: number;
  readonly added_at: string;
  /** `eimage` is an image whose client said so at completion; `doc` is everything that is no image. */
  readonly type: 'image' | 'eimage' | 'doc';
  /** The cleaned file name; null when the client sent none. */
  readonly title: string | null;
  readonly description: string | null;
  /** Where the file is, for documents; null for images. */
  readonly url: string | null;
  /** Where the file is, for images; null for documents. */
  readonly image: string | null;
  /** In pixels, as a person sees the image. */
  readonly image_width: number | null;
  /** In pixels, as a person sees the image. */
  readonly image_height: number | null;
  readonly image_mimetype: string | null;
  /** Made in the background: null for a moment after completion, so ask again. Null for good for documents, and for
images of which none can be made. */
  readonly image_thumbnail: ThumbnailDto | null;
  readonly order: number;
  /** Of the file at the URL, in bytes: an image may have lost metadata since its upload. */
  readonly size: number;
  /** Told from the bytes, not from what the client claimed. */
  readonly mimetype: string;
  /** Of a text alone, told from the bytes: a name of the WHATWG Encoding Standard. */
  readonly charset?: string;
}

export interface RejectionDto {
  readonly code: string;
  readonly detail: string;
}

export interface UploadDto {
  /** Names the upload in every further request; 32 hex digits. */
  readonly upload_id: string;
  /** Bytes stored so far, as a string: where the next chunk starts. */
  readonly offset: string;
  /** When the upload is given up unless it goes on; each chunk puts it off. */
  readonly expires: string;
  /** Size of the whole file in bytes, as a string. */
  readonly total: string;
  readonly state: 'open' | 'complete' | 'cancelled' | 'expired' | 'rejected';
  /** The cleaned file name; null when the client sent none. */
  readonly title: string | null;
  readonly created_at: string;
  /** The finished Media, once the upload is complete. */
  readonly media_id: number | null;
  /** Why the content was refused, for a rejected upload. */
  readonly rejection: RejectionDto | null;
}

export interface UploadPageDto {
  readonly results: readonly UploadDto[];
  /** Of all pages. */
  readonly count: number;
  /** URL of the next page; null on the last. */
  readonly next: string | null;
  readonly previous: string | null;
}

export interface MediaPageDto {
  readonly results: readonly MediaDto[];
  /** Of all pages. */
  readonly count: number;
  /** URL of the next page; null on the last. */
  readonly next: string | null;
  readonly previous: string | null;
}

export interface MediaChangesDto {
  /** At most 255 characters. */
  readonly title?: string | null;
  /** At most 5000 characters, line ends among them. */
  readonly description?: string | null;
}
