import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString, Matches } from 'class-validator';
import type { MediaType } from '../library/media.entity.js';
import { PageDto, toPageDto, type PageQueryDto } from '../page.dto.js';
import type { CompletionRequest } from './completion.service.js';
import type { Receipt } from './chunks/chunk-request.js';
import type { UploadSession, UploadState } from './sessions/upload-session.entity.js';
import type { SessionPage } from './sessions/upload-store.js';

/** The state of an upload after a chunk. */
export class ChunkMediaDto {
  /** Identifies the upload in further requests; 32 hex digits. */
  upload_id!: string;
  /**
   * Bytes stored so far, as a string: where the next chunk starts.
   * @example "204800"
   */
  offset!: string;
  /** When the upload expires; each chunk extends it. */
  expires!: string;
}

export function toChunkMediaDto({ id, offset, expiresAt }: Receipt): ChunkMediaDto {
  return { upload_id: id, offset: String(offset), expires: expiresAt.toISOString() };
}

export function receiptStatus({ outcome }: Receipt): number {
  return outcome === 'queried' ? 200 : 201;
}

/**
 * What a receipt says once more in headers, for machines.
 * @param prefix path that a proxy takes off requests
 */
export function receiptHeaders({ id, offset, outcome }: Receipt, prefix: string): Record<string, string> {
  return {
    Location: `${prefix}/api/v2/media/upload/${id}/`,
    'Upload-Offset': String(offset),
    ...(outcome === 'replayed' && { 'Upload-Replayed': '?1' }),
  };
}

/** The state of an upload, to resume it from anywhere. */
export class UploadDto extends ChunkMediaDto {
  /**
   * Size of the whole file in bytes, as a string.
   * @example "2124437"
   */
  total!: string;
  state!: UploadState;
  /** The sanitized file name; null if the client sent none. */
  title!: string | null;
  created_at!: string;
  /** The id of the media item, once the upload is complete. */
  media_id!: number | null;
  /** Why the content was refused, if the upload was rejected. */
  rejection!: RejectionDto | null;
}

export class RejectionDto {
  /** @example "unsupported-content" */
  code!: string;
  detail!: string;
}

export function toUploadDto(session: UploadSession): UploadDto {
  return {
    upload_id: session.id,
    offset: String(session.offset),
    total: String(session.total),
    expires: session.expiresAt.toISOString(),
    state: session.state,
    title: session.fileName,
    created_at: session.createdAt.toISOString(),
    media_id: session.mediaId,
    rejection: session.rejection,
  };
}

export class UploadPageDto extends PageDto {
  results!: UploadDto[];
}

/** @param path absolute URL of the list, without query */
export function toUploadPageDto(
  { count, sessions }: SessionPage,
  query: PageQueryDto,
  path: string,
): UploadPageDto {
  return { ...toPageDto(path, query, { count, shown: sessions.length }), results: sessions.map(toUploadDto) };
}

/** Completes an upload whose bytes are all there. */
export class CompletionDto {
  /** @example "0123456789abcdef0123456789abcdef" */
  @IsString({ message: 'upload_id is required' })
  @Matches(/./, { message: 'upload_id is required' })
  upload_id!: string;

  /**
   * MD5 of the whole file; 32 hex digits.
   * @example "900150983cd24fb0d6963f7d28e17f72"
   */
  @Matches(/^[0-9a-f]{32}$/i, { message: 'md5 must be 32 hex digits' })
  md5!: string;

  /** `image`, `eimage` or `doc`; otherwise the content decides */
  @ApiProperty({ type: 'string', required: false })
  @IsOptional()
  type?: unknown;
}

const MEDIA_TYPES: readonly unknown[] = ['image', 'eimage', 'doc'] satisfies MediaType[];

export function toCompletionRequest({ upload_id, md5, type }: CompletionDto): CompletionRequest {
  const claim = MEDIA_TYPES.includes(type) ? (type as MediaType) : undefined;
  return { uploadId: upload_id, md5: md5.toLowerCase(), claim };
}

/** Documents the form that the chunk pipe reads. Swagger UI fills it with the examples: empty ones upload a file as it is. */
export class ChunkFormDto {
  /** The chunk: 1 to 204,800 bytes. The part may also be called `document` or `file`, whatever the file is */
  @ApiProperty({ type: 'string', format: 'binary' })
  image!: string;

  /**
   * Required from the second chunk on
   * @example ""
   */
  upload_id?: string;

  /**
   * With the first chunk: when the upload should expire, such as 2030-01-31T12:00:00Z
   * @example ""
   */
  expires?: string;

  /**
   * If present, it must equal the start of the Content-Range
   * @example ""
   */
  offset?: string;
}
