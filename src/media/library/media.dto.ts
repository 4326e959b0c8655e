import { ApiProperty } from '@nestjs/swagger';
import { contentType } from '../content/content-type.js';
import type { Media, MediaType } from './media.entity.js';

/** A smaller picture of an image. */
export class ThumbnailDto {
  url!: string;
  /** In pixels. */
  width!: number;
  /** In pixels. */
  height!: number;
  /**
   * Dominant colour, to show while the picture loads.
   * @example "#7f6a4c"
   */
  color!: string;
}

/** A finished file. Its URLs answer without a token. */
export class MediaDto {
  /** @example 1 */
  id!: number;
  /** @example "2026-01-31T12:00:00.000Z" */
  added_at!: string;
  /** `eimage` is an image whose client said so at completion; `doc` is everything that is no image. */
  type!: MediaType;
  /**
   * The cleaned file name; null when the client sent none.
   * @example "p.png"
   */
  title!: string | null;
  description!: string | null;
  /** Where the file is, for documents; null for images. */
  url!: string | null;
  /** Where the file is, for images; null for documents. */
  image!: string | null;
  /** In pixels, as a person sees the image. */
  image_width!: number | null;
  /** In pixels, as a person sees the image. */
  image_height!: number | null;
  image_mimetype!: string | null;
  /**
   * Made in the background: null for a moment after completion, so ask again. Null for good for documents, and for
   * images of which none can be made.
   */
  image_thumbnail!: ThumbnailDto | null;
  order!: number;
  @ApiProperty({ type: 'null' })
  embed!: null;
  /** Of the file at the URL, in bytes: an image may have lost metadata since its upload. */
  size!: number;
  /** Told from the bytes, not from what the client claimed. */
  mimetype!: string;
}

/** @param publicUrl origin, without a last slash */
export function toMediaDto(media: Media, publicUrl: string): MediaDto {
  const url = `${publicUrl}/files/${fileName(media)}`;
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
    image_thumbnail: isImage ? toThumbnailDto(media, publicUrl) : null,
    order: 0,
    embed: null,
    size: media.size,
    mimetype: media.mime,
  };
}

function toThumbnailDto(media: Media, publicUrl: string): ThumbnailDto | null {
  const { thumbnailKey, thumbnailWidth, thumbnailHeight, thumbnailColor } = media;
  if (thumbnailKey === null || thumbnailWidth === null || thumbnailHeight === null) return null;
  return {
    url: `${publicUrl}/thumbnails/${thumbnailKey}.webp`,
    width: thumbnailWidth,
    height: thumbnailHeight,
    color: thumbnailColor ?? '#ffffff',
  };
}

/** The last component of a file's URL: the key, and an extension for those who look at URLs. */
function fileName({ key, mime }: Media): string {
  return `${key}.${contentType(mime)?.extension ?? 'bin'}`;
}
