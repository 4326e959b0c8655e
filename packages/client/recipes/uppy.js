import { BasePlugin } from '@uppy/core';
import { upload } from '@mediadock/client';

/** `uppy.use(Mediadock, { url, token, limit })`: an uploader that survives reloads and lost connections. */
export class Mediadock extends BasePlugin {
  constructor(uppy, options) {
    super(uppy, { limit: 3, ...options });
    this.id = this.opts.id ?? 'Mediadock';
    this.type = 'uploader';
    this.uploads = new Map();
  }

  install() {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads: true } });
    this.uppy.addUploader(this.uploadAll);
    this.uppy.on('file-removed', this.remove);
    this.uppy.on('cancel-all', this.removeAll);
    this.uppy.on('upload-pause', this.pause);
    this.uppy.on('pause-all', this.pauseAll);
    this.uppy.on('resume-all', this.resumeAll);
  }

  uninstall() {
    this.uppy.removeUploader(this.uploadAll);
    this.uppy.off('file-removed', this.remove);
    this.uppy.off('cancel-all', this.removeAll);
    this.uppy.off('upload-pause', this.pause);
    this.uppy.off('pause-all', this.pauseAll);
    this.uppy.off('resume-all', this.resumeAll);
  }

  uploadAll = async (ids) => {
    const files = ids.map((id) => this.uppy.getFile(id));
    this.uppy.emit('upload-start', files);
    const next = async () => {
      for (let file = files.shift(); file; file = files.shift()) await this.uploadOne(file);
    };
    await Promise.all(Array.from({ length: this.opts.limit }, next));
  };

  async uploadOne(file) {
    // It may have been removed while it waited for its turn.
    if (!this.uppy.getFile(file.id)) return;
    const { url, token } = this.opts;
    const running = upload(file.data, { url, token, name: file.name });
    this.uploads.set(file.id, running);
    running.on('progress', ({ bytes, total }) => {
      const now = this.uppy.getFile(file.id);
      if (now) this.uppy.emit('upload-progress', now, { bytesUploaded: bytes, bytesTotal: total });
    });
    try {
      const media = await running.media;
      const uploadURL = media.url ?? media.image;
      this.uppy.emit('upload-success', this.uppy.getFile(file.id), { status: 201, body: media, uploadURL });
    } catch (error) {
      if (error.code !== 'aborted') this.uppy.emit('upload-error', this.uppy.getFile(file.id), error);
    } finally {
      this.uploads.delete(file.id);
    }
  }

  remove = (file) => void this.uploads.get(file.id)?.abort({ cancel: true });
  removeAll = () => this.uploads.forEach((_, id) => this.remove({ id }));
  pause = (file, paused) => this.uploads.get(file.id)?.[paused ? 'pause' : 'resume']();
  pauseAll = () => this.uploads.forEach((running) => running.pause());
  resumeAll = () => this.uploads.forEach((running) => running.resume());
}
