import { useRef } from 'react';
import { useChunkFinishListener, useChunkStartListener, useItemFinishListener } from '@rpldy/chunked-uploady';
import { md5 } from '@mediadock/client';

const keyOf = ({ name, size, lastModified }) => `upload ${name} ${size} ${lastModified}`;

/** Use inside `<ChunkedUploady>`. Resumes uploads after a reload, and completes them. */
export function useMediadock({ url, token, onMedia, onError }) {
  const api = `${url}/api/v2/media/upload`;
  const headers = { Authorization: `Bearer ${token}` };
  const offsets = useRef(new Map());

  /** The offset of an earlier upload of the file, or 0. Called once per item. */
  const offsetOf = async (file) => {
    const id = localStorage.getItem(keyOf(file));
    if (!id) return 0;
    const response = await fetch(`${api}/${id}/`, { headers });
    if (response.ok) return Number((await response.json()).offset);
    if (![404, 410].includes(response.status)) throw new Error(`The server answered ${response.status}`);
    localStorage.removeItem(keyOf(file));
    return 0;
  };

  useChunkStartListener(async ({ item, chunk }) => {
    if (!offsets.current.has(item.id)) offsets.current.set(item.id, await offsetOf(item.file));
    // Skip chunks that the server has. Of a chunk that it has in part, it stores the rest.
    if (chunk.end <= offsets.current.get(item.id)) return false;
    const id = localStorage.getItem(keyOf(item.file));
    return id ? { sendOptions: { params: { upload_id: id } } } : {};
  });

  useChunkFinishListener(({ item, uploadData: { response } }) => {
    if (response.data?.upload_id) localStorage.setItem(keyOf(item.file), response.data.upload_id);
  });

  useItemFinishListener(async ({ id, file }) => {
    offsets.current.delete(id);
    try {
      const upload_id = localStorage.getItem(keyOf(file));
      const body = new URLSearchParams({ upload_id, md5: await md5(file) });
      const response = await fetch(`${api}/complete/`, { method: 'POST', headers, body });
      const answer = await response.json();
      if (!response.ok) throw new Error(answer.detail);
      localStorage.removeItem(keyOf(file));
      onMedia(answer);
    } catch (error) {
      onError(error);
    }
  });
}
