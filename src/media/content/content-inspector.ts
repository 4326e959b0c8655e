import type { FileHandle } from 'node:fs/promises';
import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { readAt } from '../../storage/local/files.js';
import { ImageCodec, type ImageFacts } from '../images/image-codec.js';
import { dissect } from '../images/image-parts.js';
import { UNKNOWN } from './digest/charset.js';
import { isCompoundFile } from './office/compound-file.js';
import { UnsupportedContent, UploadTooLarge } from './content.errors.js';
import type { ContentType } from './content-type.js';
import { oldOfficeType } from './office/old-office.js';
import { packageType } from './office/office-package.js';
import { findHiddenContent } from './polyglot.js';
import { DECISIVE_BYTES, HEAD_BYTES, sniff, type Sniffed } from './sniff.js';
import { refused, type Accepted, type Refused } from './verdict.js';
import { isZip } from './office/zip-head.js';

/** Facts about a complete file. */
export interface Content {
  readonly type: ContentType;
  /** Of a text, if it is known. */
  readonly charset: string | null;
  /** Undefined for documents. */
  readonly image: ImageFacts | undefined;
  /** The whole image; undefined for documents. */
  readonly bytes: Buffer | undefined;
}

/** The first bytes of a file, and what its client claims. */
interface Head {
  readonly bytes: Buffer;
  readonly total: number;
  readonly fileName: string | null;
  /** A media type, or else a file name. Only repeated to the client. */
  readonly declared: string | null;
}

/** A complete file. */
export interface WholeFile {
  readonly total: number;
  readonly fileName: string | null;
  /** Null unless the whole file is text; `UNKNOWN` if its charset cannot be determined. */
  readonly charset: string | null;
}

/** Detects the type of a file from its bytes alone, and refuses types that are not accepted. */
@Injectable()
export class ContentInspector {
  constructor(
    private readonly config: Config,
    private readonly images: ImageCodec,
  ) {}

  /** Whether the next chunk of an upload at `offset` may help to detect the type. */
  mayTellMore({ mime, offset }: { mime: string | null; offset: number }): boolean {
    return mime === null && offset < DECISIVE_BYTES;
  }

  /**
   * Checks the head of a file.
   * @returns its type, or undefined if the bytes do not suffice
   * @throws UnsupportedContent, UploadTooLarge
   */
  async admit({ bytes, total, fileName, declared }: Head): Promise<ContentType | undefined> {
    this.limitUnknown(total);
    const sniffed = await sniff(bytes, bytes.length === total, fileName);
    if (sniffed.kind !== 'undecided') return this.permit(sniffed, total, declared);
    if (sniffed.among.some((mime) => this.config.uploads.allowedTypes.includes(mime))) return undefined;
    throw this.unsupported(refused(sniffed.detected), declared);
  }

  /**
   * Checks a complete file, whatever its head looked like.
   * @throws UnsupportedContent, UnreadableImage, UploadTooLarge
   */
  async examine(file: FileHandle, { total, fileName, charset }: WholeFile): Promise<Content> {
    const head = await readAt(file, Math.min(total, HEAD_BYTES), 0);
    const sniffed = await sniff(head, head.length === total, fileName);
    const type = this.permit(await decide(file, sniffed, { head, total, charset }), total, fileName);
    const image = type.kind === 'image' ? await readAt(file, total, 0) : undefined;
    const facts = image && (await this.images.facts(image));
    const imageEnd = image && dissect(image).end;
    const isTrimmed = image !== undefined && this.config.images.metadata === 'strip';
    const other = isZip(head)
      ? undefined
      : await findHiddenContent(file, { mime: type.mime, total, imageEnd, isTrimmed });
    if (other) throw this.unsupported(other, fileName);
    const isText = type.mime.startsWith('text/');
    const known = isText && charset !== UNKNOWN ? charset : null;
    return { type, charset: known, image: facts, bytes: image };
  }

  /** The type of an accepted file, by its bytes, the settings and its size. */
  private permit(verdict: Accepted | Refused, total: number, declared: string | null): ContentType {
    if (verdict.kind === 'refused') throw this.unsupported(verdict, declared);
    const { type } = verdict;
    if (!this.config.uploads.allowedTypes.includes(type.mime))
      throw this.unsupported(refused(type.mime), declared);
    this.limit(type.kind, total);
    return type;
  }

  private unsupported({ detected, why }: Refused, declared: string | null): UnsupportedContent {
    return new UnsupportedContent(detected, { declared, allowed: this.config.uploads.allowedTypes }, why);
  }

  /** Refuses a file that is too large for every type it may have. */
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

/** Checks the rest of the file for formats that the head does not identify. */
async function decide(
  file: FileHandle,
  sniffed: Sniffed,
  { head, total, charset }: { head: Buffer; total: number; charset: string | null },
): Promise<Accepted | Refused> {
  if (sniffed.kind === 'refused') return sniffed;
  if (isZip(head)) return await packageType(file, total);
  if (isCompoundFile(head)) return await oldOfficeType((at, length) => readAt(file, length, at), total);
  if (sniffed.kind === 'undecided') return refused(null);
  const { mime } = sniffed.type;
  if (mime.startsWith('text/') && charset === null) return refused(null);
  return sniffed;
}
