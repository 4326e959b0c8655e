import { useRef } from 'react';
import { useChunkFinishListener, useChunkStartListener, useItemFinishListener } from '@rpldy/chunked-uploady';
import { md5 } from '@mediadock/client';

const keyOf = ({ name, size, lastModified }) => `upload ${name} ${size} ${lastModified}`;

/** Inside `<ChunkedUploady>`: goes on with what was begun before a reload, and makes the Media at the end. */
export function useMediadock({ url, token, onMedia, onError }) {
  const api = `${url}/api/v2/media/upload`;
  const headers = { Authorization: `Bearer ${token}` };
  const offsets = useRef(new Map());

  /** Asked once an item: where an earlier upload of its file stands. */
  const offsetOf = async (file) => {
    const id = localStorage.getItem(keyOf(file));
    if (!id) return 0;
    const response = await fetch(`${api}/${id}/`, { headers });
    if (response.ok) return Number((await response.json()).offset);
    localStorage.removeItem(keyOf(file));
    return 0;
  };

  useChunkStartListener(async ({ item, chunk }) => {
    if (!offsets.current.has(item.id)) offsets.current.set(item.id, await offsetOf(item.file));
    // What the server has already is skipped; a chunk of which it has a part is sent whole, and it takes the rest.
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
