export interface BlueimpData {
  files: File[];
  uploadedBytes?: number;
  data?: unknown;
  formData?: { name: string; value: string }[];
  result?: unknown;
  jqXHR?: { status: number; responseJSON?: unknown };
  errorThrown?: string;
  submit(): void;
}

type Callback = (event: null, data: BlueimpData) => void;

export interface BlueimpOptions {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly paramName: string;
  readonly maxChunkSize: number;
  readonly add: Callback;
  readonly chunkbeforesend: Callback;
  readonly chunkdone: Callback;
  readonly done: Callback;
  readonly fail: Callback;
}

/** jQuery File Upload in so far as it cuts, sends and calls back; the plugin itself is not installed here. */
export class Blueimp {
  constructor(private readonly options: BlueimpOptions) {}

  add(file: File): void {
    const data: BlueimpData = { files: [file], submit: () => void this.send(data) };
    this.options.add(null, data);
  }

  private async send(data: BlueimpData): Promise<void> {
    const [file] = data.files as [File];
    const from = data.uploadedBytes ?? 0;
    try {
      // A file that fits into one chunk goes as it is.
      if (from === 0 && file.size <= this.options.maxChunkSize) await this.post(data, file, {});
      else await this.sendChunks(data, file, from);
    } catch (error) {
      Object.assign(data, error);
      return this.options.fail(null, data);
    }
    this.options.done(null, data);
  }

  private async sendChunks(data: BlueimpData, file: File, from: number): Promise<void> {
    const { maxChunkSize, chunkbeforesend, chunkdone } = this.options;
    if (from >= file.size) throw { errorThrown: 'uploadedBytes' };
    for (let start = from; start < file.size; start += maxChunkSize) {
      const blob = file.slice(start, start + maxChunkSize);
      const chunk: BlueimpData = { ...data };
      chunkbeforesend(null, chunk);
      await this.post(chunk, blob, {
        'Content-Range': `bytes ${start}-${start + blob.size - 1}/${file.size}`,
        'Content-Disposition': `attachment; filename="${encodeURI(file.name)}"`,
      });
      data.uploadedBytes = chunk.uploadedBytes = start + blob.size;
      data.result = chunk.result;
      chunkdone(null, chunk);
    }
  }

  private async post(data: BlueimpData, blob: Blob, headers: Record<string, string>): Promise<void> {
    const body = new FormData();
    for (const { name, value } of data.formData ?? []) body.append(name, value);
    body.append(this.options.paramName, blob, data.files[0]!.name);
    const response = await fetch(this.options.url, {
      method: 'POST',
      headers: { ...this.options.headers, ...headers },
      body,
    }).catch(() => {
      throw { jqXHR: { status: 0 }, errorThrown: '' };
    });
    const responseJSON: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw { jqXHR: { status: response.status, responseJSON }, errorThrown: '' };
    data.result = responseJSON;
  }
}
