import Uppy from '@uppy/core';
import { Mediadock } from '../../../packages/client/recipes/uppy.js';
import { onError, onMedia, picker, token, url } from './told.js';

const uppy = new Uppy({ autoProceed: true }).use(Mediadock, { url, token });
uppy.on('upload-success', (_, { body }) => onMedia(body));
uppy.on('upload-error', (_, error) => onError(error));
picker.onchange = () => {
  const [data] = picker.files;
  uppy.addFile({ name: data.name, type: data.type, data });
};
