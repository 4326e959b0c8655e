import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import { ChunkedUploady, useItemErrorListener, useUploady } from '@rpldy/chunked-uploady';
import { useMediadock } from '../../../packages/client/recipes/chunked-uploady.js';
import { onError, onMedia, picker, token, url } from './told.js';

function Uploader() {
  const { upload } = useUploady();
  useMediadock({ url, token, onMedia, onError });
  useItemErrorListener(() => onError(new Error('The library gave up')));
  picker.onchange = () => upload(picker.files[0]);
  return null;
}

const settings = {
  destination: { url: `${url}/api/v2/media/upload/chunk/`, headers: { Authorization: `Bearer ${token}` } },
  inputFieldName: 'image',
  chunkSize: 204_800,
  retries: 3,
};
createRoot(document.querySelector('main')).render(
  createElement(ChunkedUploady, settings, createElement(Uploader)),
);
