import type { FileHandle } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { readAt } from '../../storage/durable.js';
import { ImageCodec, type ImageFacts } from '../images/image-codec.js';
import { UnsupportedContent, UploadTooLarge } from './content.errors.js';
import type { ContentType } from './content-type.js';
import { sniff, type Sniffed } from './sniff.js';

/** What the bytes of a whole file turned out to be. */
export interface Content {
  readonly type: ContentType;
  /** Undefined for documents. */
  readonly image: ImageFacts | undefined;
}

/** Enough for the entry that names an Office file's kind, wherever in its first kilobytes it stands. */
const HEAD_BYTES = 1024 * 1024;

/** Decides by the bytes alone what a file is, and refuses what is not taken. */
@Injectable()
export class ContentInspector {
  constructor(
    private readonly config: Config,
    private readonly images: ImageCodec,
  ) {}

  /**
   * Judges a file by its first chunk.
   * @returns its type, or undefined while the bytes do not tell
   * @throws UnsupportedContent, UploadTooLarge
   */
  async admit(file: {
    head: Buffer;
    total: number;
    fileName: string | null;
  }): Promise<ContentType | undefined> {
    this.limitUnknown(file.total);
    const sniffed = await sniff(file.head, file.head.length === file.total, file.fileName);
    if (sniffed.verdict === 'refused') throw new UnsupportedContent(sniffed.detected, file.fileName);
    if (sniffed.verdict === 'undecided') return undefined;
    this.limit(sniffed.type.kind, file.total);
    return sniffed.type;
  }

  /**
   * Judges a whole file, whatever its first chunk promised.
   * @throws UnsupportedContent, UnreadableImage, UploadTooLarge
   */
  async examine(
    file: FileHandle,
    claims: { total: number; fileName: string | null; utf8: boolean },
  ): Promise<Content> {
    const { total, fileName, utf8 } = claims;
    const sniffed = await sniff(await readAt(file, Math.min(total, HEAD_BYTES), 0), true, fileName);
    if (sniffed.verdict !== 'accepted') throw new UnsupportedContent(detected(sniffed), fileName);
    const { type } = sniffed;
    if (isOldOffice(type) && !(await holdsOffice(file, total)))
      throw new UnsupportedContent('application/x-cfb', fileName);
    this.limit(type.kind, total);
    if (type.mime.startsWith('text/') && !utf8) throw new UnsupportedContent(null, fileName);
    if (type.kind === 'document') return { type, image: undefined };
    return { type, image: await this.images.facts(await readAt(file, total, 0)) };
  }

  /** Too large for whatever it may turn out to be. */
  private limitUnknown(total: number): void {
    const { imageMaxBytes, documentMaxBytes } = this.config.uploads;
    this.limit(imageMaxBytes > documentMaxBytes ? 'image' : 'document', total);
  }

  private limit(kind: ContentType['kind'], total: number): void {
    const { imageMaxBytes, documentMaxBytes } = this.config.uploads;
    const maxBytes = kind === 'image' ? imageMaxBytes : documentMaxBytes;
    if (total > maxBytes) throw new UploadTooLarge(kind, maxBytes);
  }
}

function detected(sniffed: Sniffed): string | null {
  return sniffed.verdict === 'refused' ? sniffed.detected : null;
}

const OLD_OFFICE = ['application/msword', 'application/vnd.ms-excel', 'application/vnd.ms-powerpoint'];

function isOldOffice({ mime }: ContentType): boolean {
  return OLD_OFFICE.includes(mime);
}

/** Names that the directory of a compound file has in UTF-16 when an Office program wrote it; an installer has others. */
const OFFICE_STREAMS = ['WordDocument', 'Workbook', 'Book', 'PowerPoint Document'].map((name) =>
  Buffer.from(`${name}\0`, 'utf16le'),
);

/** The directory may be anywhere in the file: looked for in blocks that overlap by more than a name. */
async function holdsOffice(file: FileHandle, total: number): Promise<boolean> {
  for (let at = 0; at < total; at += HEAD_BYTES - 64) {
    const block = await readAt(file, Math.min(HEAD_BYTES, total - at), at);
    if (OFFICE_STREAMS.some((name) => block.includes(name))) return true;
  }
  return false;
}
