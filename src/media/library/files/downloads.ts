import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../../../config/config.js';
import { ClientGone } from '../../../errors/client-gone.js';
import { BlobStorage } from '../../../storage/blob-storage.js';
import { FileUrls, type SignedQuery } from '../file-urls.js';
import type { NamedMedia } from '../media.entity.js';
import { FileNotFound } from '../media.errors.js';
import { MediaService } from '../media.service.js';
import { cacheControl } from './cache-control.js';
import { isConditional, select, type Selection } from './conditions.js';
import { fileHeaders, thumbnailHeaders, type FileHeaders } from './file-headers.js';
import { SmallBlobs } from './small-blobs.js';

/** Public areas, by the first part of the path. */
export type PublicArea = 'files' | 'thumbnails';

interface PublicFile {
  readonly area: PublicArea;
  readonly key: string;
  readonly size: number;
  readonly headers: FileHeaders;
}

/** The headers of a file, with how long it may be cached. */
type Headers = FileHeaders & { readonly 'Cache-Control': string };

type Answer = ServerResponse<IncomingMessage>;

/** Helmet headers that don't apply to files: X-Frame-Options would keep other sites from framing PDFs. */
const FOR_PAGES = ['X-Frame-Options', 'Cross-Origin-Opener-Policy'];

/** Sends files and thumbnails to anybody who has their URL. */
@Injectable()
export class Downloads {
  private readonly logger = new Logger('Files');
  /** Headers of remembered rows, because the same files are requested often. */
  private readonly described = {
    files: new WeakMap<NamedMedia, PublicFile>(),
    thumbnails: new WeakMap<NamedMedia, PublicFile>(),
  };

  constructor(
    private readonly config: Config,
    private readonly media: MediaService,
    private readonly storage: BlobStorage,
    private readonly urls: FileUrls,
    private readonly small: SmallBlobs,
  ) {}

  /**
   * Resolves when the answer has been sent.
   * @throws InvalidSignature, ExpiredUrl, FileNotFound, PreconditionFailed, RangeNotSatisfiable, ClientGone
   */
  async send(area: PublicArea, name: string, query: SignedQuery, response: Answer): Promise<void> {
    const secondsLeft = this.urls.secondsLeft(`/${area}/${name}`, query);
    const file = await this.find(area, name);
    const { method, headers: asked } = response.req;
    // Only a GET may ask for a range (RFC 9110, 14.2).
    const selection = select(method === 'HEAD' ? { ...asked, range: undefined } : asked, file);
    const headers = {
      ...file.headers,
      'Cache-Control': cacheControl(secondsLeft, this.config.downloads.sharedCacheSeconds),
    };
    for (const name of FOR_PAGES) response.removeHeader(name);
    if (selection.status === 304) return void notModified(response, headers);
    const head = { ...headers, ...extentOf(selection, file.size) };
    if (method === 'HEAD') return void response.writeHead(selection.status, head).end();
    if (this.handOver(file, headers, response) || (await this.redirect(file, headers, response))) return;
    await this.sendBytes(file, selection, head, response);
  }

  /** @throws FileNotFound */
  private async find(area: PublicArea, name: string): Promise<PublicFile> {
    const isFile = area === 'files';
    const media = await (isFile ? this.media.getByFileName(name) : this.media.getByThumbnailName(name));
    const known = this.described[area].get(media);
    if (known) return known;
    const { key, size, thumbnailKey, thumbnailSize } = media;
    const file: PublicFile = isFile
      ? { area, key, size, headers: fileHeaders(media) }
      : {
          area,
          key: thumbnailKey ?? '',
          size: thumbnailSize ?? 0,
          headers: thumbnailHeaders(thumbnailKey ?? ''),
        };
    this.described[area].set(media, file);
    return file;
  }

  /** Has the proxy send the file, or a range of it. The proxy would compare conditions with its own ETag and date. */
  private handOver({ area, key }: PublicFile, headers: Headers, response: Answer): boolean {
    const { handOver } = this.config.downloads;
    if (!handOver || isConditional(response.req.headers)) return false;
    response
      .writeHead(200, {
        ...without('Accept-Ranges', headers), // The proxy adds its own.
        [handOver.header]: `${handOver.base}/${area}/${key}`,
        'Content-Length': 0,
      })
      .end();
    return true;
  }

  /** Redirects to the store. Not cached, because the URL expires. */
  private async redirect({ area, key }: PublicFile, headers: Headers, response: Answer): Promise<boolean> {
    const location = await this.storage.directUrl(area, key, {
      contentType: headers['Content-Type'],
      contentDisposition: headers['Content-Disposition'],
      cacheControl: headers['Cache-Control'],
    });
    if (location === undefined) return false;
    response.writeHead(302, { Location: location, 'Cache-Control': 'no-store', 'Content-Length': 0 }).end();
    return true;
  }

  private async sendBytes(
    file: PublicFile,
    { status, start, end }: Exclude<Selection, { status: 304 }>,
    head: Record<string, string | number>,
    response: Answer,
  ): Promise<void> {
    const bytes = await this.small.get(file);
    if (bytes) {
      // `close` has already fired, so these bytes would never be released.
      if (response.destroyed) throw new ClientGone('The client closed the download');
      response.once('close', this.small.sending(bytes));
      return void response.writeHead(status, head).end(bytes.subarray(start, end + 1));
    }
    const blob = await this.storage.stream(file.area, file.key, start, end);
    if (response.destroyed) {
      // `pipeline` would fail at once and leave the blob open.
      blob?.destroy();
      throw new ClientGone('The client closed the download');
    }
    if (!blob) {
      this.logger.error('The file of a media item is missing');
      throw new FileNotFound();
    }
    await stream(blob, response.writeHead(status, head));
  }
}

function notModified(response: Answer, headers: Headers): void {
  response.writeHead(304, without('Content-Type', headers)).end();
}

function without(unwanted: string, headers: Headers): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== unwanted));
}

function extentOf({ status, start, end }: Exclude<Selection, { status: 304 }>, size: number) {
  return {
    ...(status === 206 && { 'Content-Range': `bytes ${start}-${end}/${size}` }),
    'Content-Length': end + 1 - start,
  };
}

/** If the blob ends early, closes the connection. Otherwise the client would wait for the rest. */
async function stream(blob: Readable, response: Answer): Promise<void> {
  response.strictContentLength = true;
  try {
    await pipeline(blob, response, { end: false });
    response.end();
    await finished(response);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_STREAM_PREMATURE_CLOSE') throw cause;
    throw new ClientGone('The client closed the download', { cause });
  }
}
