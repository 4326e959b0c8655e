import type { Source } from './platform.js';
import { LocalError } from './upload-error.js';
import { StreamSource } from './stream-source.js';

/** Inputs that every platform accepts. A stream needs the option `size`. */
export type UploadInput =
  Blob | Uint8Array | ArrayBuffer | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>;

export function openSource(
  input: UploadInput,
  { name, size }: { readonly name?: string; readonly size?: number },
): Source {
  if (input instanceof Blob) return new BlobSource(input, name);
  if (ArrayBuffer.isView(input)) return new BytesSource(input, name);
  if ('byteLength' in input) return new BytesSource(new Uint8Array(input), name);
  if (size === undefined) throw new LocalError('source-unreadable', 'To upload a stream, give its size');
  return new StreamSource(input, size, name);
}

class BlobSource implements Source {
  readonly size: number;
  readonly name: string | undefined;
  readonly fingerprint: string | undefined;

  constructor(
    private readonly blob: Blob,
    name: string | undefined,
  ) {
    this.size = blob.size;
    this.name = name;
    if (!('lastModified' in blob)) return;
    const file = blob as File;
    this.name ??= file.name;
    this.fingerprint = `file ${file.name} ${file.size} ${file.lastModified}`;
  }

  async read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return new Uint8Array(await this.blob.slice(start, end).arrayBuffer());
    } catch (error) {
      // Browsers do not tell a file that has changed from one that cannot be read just now.
      throw new LocalError('source-unreadable', 'The file cannot be read, or has changed', error);
    }
  }

  close(): void {
    // Nothing to close.
  }
}

class BytesSource implements Source {
  readonly size: number;
  readonly fingerprint = undefined;

  constructor(
    private readonly bytes: Uint8Array,
    readonly name: string | undefined,
  ) {
    this.size = bytes.length;
  }

  async read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(this.bytes.subarray(start, end));
  }

  close(): void {
    // Nothing to close.
  }
}
