import { Transform } from 'class-transformer';
import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, Matches } from 'class-validator';
import { contentType } from '../content/content-type.js';
import { PageDto, PageQueryDto, toPageDto } from '../page.dto.js';
import type { FileUrlOf } from './file-urls.js';
import type { Media, MediaType } from './media.entity.js';
import type { MediaChanges, MediaPage } from './media.service.js';

const MEDIA_TYPES: readonly MediaType[] = ['image', 'eimage', 'doc'];

/** A smaller picture of an image. */
export class ThumbnailDto {
  url!: string;
  /** In pixels. */
  width!: number;
  /** In pixels. */
  height!: number;
  /**
   * Dominant color, to show while the image loads.
   * @example "#7f6a4c"
   */
  color!: string;
}

/** A finished file. Its URLs need no token. */
export class MediaDto {
  /** @example 1 */
  id!: number;
  /** @example "2026-01-31T12:00:00.000Z" */
  added_at!: string;
  /** `doc` is everything but images; `eimage` is an image that the client declared as such at completion. */
  type!: MediaType;
  /**
   * The sanitized file name; null if the client sent none.
   * @example "p.png"
   */
  title!: string | null;
  description!: string | null;
  /** URL of the file, for documents; null for images. */
  url!: string | null;
  /** URL of the file, for images; null for documents. */
  image!: string | null;
  /** In pixels, when displayed upright. */
  image_width!: number | null;
  /** In pixels, when displayed upright. */
  image_height!: number | null;
  image_mimetype!: string | null;
  /**
   * Made in the background, so it is null for a moment after completion: read the media item again. It stays null for
   * documents, and for images from which no thumbnail can be made.
   */
  image_thumbnail!: ThumbnailDto | null;
  order!: number;
  @ApiProperty({ type: 'null' })
  embed!: null;
  /** Of the file at the URL, in bytes. It may be smaller than the upload, since metadata is removed from images. */
  size!: number;
  /** Detected from the bytes, whatever the client declared. */
  mimetype!: string;
  /**
   * Only for text, detected from the bytes: a name from the WHATWG Encoding Standard. Left out if it cannot be told.
   * @example "windows-1252"
   */
  charset?: string;
}

export function toMediaDto(media: Media, urlOf: FileUrlOf): MediaDto {
  const url = urlOf(filePath(media));
  const isImage = media.type !== 'doc';
  return {
    id: media.id,
    added_at: media.addedAt.toISOString(),
    type: media.type,
    title: media.title,
    description: media.description,
    url: isImage ? null : url,
    image: isImage ? url : null,
    image_width: isImage ? media.width : null,
    image_height: isImage ? media.height : null,
    image_mimetype: isImage ? media.mime : null,
    image_thumbnail: isImage ? toThumbnailDto(media, urlOf) : null,
    order: 0,
    embed: null,
    size: media.size,
    mimetype: media.mime,
    ...(media.charset !== null && { charset: media.charset }),
  };
}

function toThumbnailDto(media: Media, urlOf: FileUrlOf): ThumbnailDto | null {
  const { thumbnailKey, thumbnailWidth, thumbnailHeight, thumbnailColor } = media;
  if (thumbnailKey === null || thumbnailWidth === null || thumbnailHeight === null) return null;
  return {
    url: urlOf(`/thumbnails/${thumbnailKey}.webp`),
    width: thumbnailWidth,
    height: thumbnailHeight,
    color: thumbnailColor ?? '#ffffff',
  };
}

/** The key, with an extension for people who look at URLs. */
function filePath({ key, mime }: Media): string {
  return `/files/${key}.${contentType(mime)?.extension ?? 'bin'}`;
}

/** What to list. */
export class MediaQueryDto extends PageQueryDto {
  @IsOptional()
  @IsIn(MEDIA_TYPES)
  @Transform(({ value }: { value: unknown }) => (value === '' ? undefined : value))
  type?: MediaType;

  /** Text to find in title or description, case-insensitive. There are no wildcards. */
  @IsOptional()
  @Matches(/^[^\p{Cc}\p{Cs}]{1,255}$/u, {
    message: 'search must have at most 255 characters, none of them a control character',
  })
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? tidy(value) || undefined : value,
  )
  search?: string;
}

export class MediaPageDto extends PageDto {
  results!: MediaDto[];
}

/** @param path absolute URL of the list, without query */
export function toMediaPageDto(
  { count, media }: MediaPage,
  query: MediaQueryDto,
  path: string,
  urlOf: FileUrlOf,
): MediaPageDto {
  return {
    ...toPageDto(path, query, { count, shown: media.length }),
    results: media.map((one) => toMediaDto(one, urlOf)),
  };
}

/** Trimmed text about a file. An empty text is the same as null. */
export class MediaChangesDto {
  /**
   * At most 255 characters.
   * @example "Harbour at night"
   */
  @IsOptional()
  @Matches(/^[^\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]{1,255}$/u, {
    message: 'title must have at most 255 characters, none of them a control character',
  })
  @Transform(toText)
  title?: string | null;

  /** At most 5000 characters, including line ends. */
  @IsOptional()
  @Matches(/^([^\p{Cc}\p{Cs}]|[\t\n\r]){1,5000}$/u, {
    message: 'description must have at most 5000 characters, none of them a control character',
  })
  @Transform(toText)
  description?: string | null;
}

/**
 * PUT sets both fields, a missing one to null. A body with neither changes nothing, because the platform's own library
 * sends only `{image}`.
 */
export function toReplacement({ title, description }: MediaChangesDto): MediaChanges {
  if (title === undefined && description === undefined) return {};
  return { title: title ?? null, description: description ?? null };
}

function toText({ value }: { value: unknown }): unknown {
  return typeof value === 'string' ? tidy(value) || null : value;
}

/** In NFC, like titles, which come from file names. */
function tidy(value: string): string {
  return value.normalize('NFC').trim();
}
