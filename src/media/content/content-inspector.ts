import type { FileHandle } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { readAt } from '../../storage/durable.js';
import { UnsupportedContent, UploadTooLarge } from './content.errors.js';
import type { ContentType } from './content-type.js';
import { imageFacts, type ImageFacts } from './image-facts.js';
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
  constructor(private readonly config: Config) {}

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
    this.limit('document', file.total);
    const sniffed = await sniff(file.head, file.head.length === file.total, file.fileName);
    if (sniffed.verdict === 'refused') throw new UnsupportedContent(sniffed.detected, file.fileName);
    if (sniffed.verdict === 'undecided') return undefined;
    this.limit(sniffed.type.kind, file.total);
    return sniffed.type;
  }

  /**
   * Judges a whole file, whatever its first chunk promised.
   * @throws UnsupportedContent, UploadTooLarge
   */
  async examine(
    file: FileHandle,
    claims: { total: number; fileName: string | null; utf8: boolean },
  ): Promise<Content> {
    const { total, fileName, utf8 } = claims;
    const sniffed = await sniff(await readAt(file, Math.min(total, HEAD_BYTES), 0), true, fileName);
    if (sniffed.verdict !== 'accepted') throw new UnsupportedContent(detected(sniffed), fileName);
    const { type } = sniffed;
    this.limit(type.kind, total);
    if (type.mime.startsWith('text/') && !utf8) throw new UnsupportedContent(null, fileName);
    if (type.kind === 'document') return { type, image: undefined };
    const image = await imageFacts(await readAt(file, total, 0));
    if (!image) throw new UnsupportedContent(type.mime, fileName);
    return { type, image };
  }

  private limit(kind: ContentType['kind'], total: number): void {
    const { imageMaxBytes, documentMaxBytes } = this.config.uploads;
    const maxBytes = kind === 'image' ? imageMaxBytes : Math.max(imageMaxBytes, documentMaxBytes);
    if (total > maxBytes) throw new UploadTooLarge(kind, maxBytes);
  }
}

function detected(sniffed: Sniffed): string | null {
  return sniffed.verdict === 'refused' ? sniffed.detected : null;
}
