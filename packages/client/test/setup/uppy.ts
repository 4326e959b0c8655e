import { EventEmitter } from 'node:events';

export interface UppyFile {
  readonly id: string;
  readonly name: string;
  readonly data: Blob;
}

type Uploader = (ids: string[]) => Promise<unknown>;

/** The part of Uppy's core that uploader plugins are documented to use. It stands in: Uppy is not installed here. */
export class Uppy extends EventEmitter {
  readonly uploaders = new Set<Uploader>();
  private readonly files = new Map<string, UppyFile>();
  private state: Record<string, unknown> = { capabilities: { uploadProgress: true } };

  use<Options>(Plugin: new (uppy: Uppy, options: Options) => { install(): void }, options: Options): this {
    new Plugin(this, options).install();
    return this;
  }

  getState(): Record<string, unknown> {
    return this.state;
  }

  setState(patch: Record<string, unknown>): void {
    this.state = { ...this.state, ...patch };
  }

  addUploader(uploader: Uploader): void {
    this.uploaders.add(uploader);
  }

  removeUploader(uploader: Uploader): void {
    this.uploaders.delete(uploader);
  }

  addFile(name: string, bytes: Buffer): string {
    const id = `uppy-${name}`;
    this.files.set(id, { id, name, data: new File([new Uint8Array(bytes)], name, { lastModified: 1 }) });
    return id;
  }

  getFile(id: string): UppyFile | undefined {
    return this.files.get(id);
  }

  removeFile(id: string): void {
    const file = this.files.get(id);
    this.files.delete(id);
    this.emit('file-removed', file);
  }

  async upload(): Promise<void> {
    for (const uploader of this.uploaders) await uploader([...this.files.keys()]);
  }
}

export class BasePlugin<Options> {
  constructor(
    readonly uppy: Uppy,
    readonly opts: Options,
  ) {}
}
