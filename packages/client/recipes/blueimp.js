import { md5 } from '@mediadock/client';

/** `$('#fileupload').fileupload(mediadockOptions({ url, token, onMedia, onError }))` */
export function mediadockOptions({ url, token, onMedia, onError, retries = 8 }) {
  const upload = `${url}/api/v2/media/upload`;
  const headers = { Authorization: `Bearer ${token}` };
  const keyOf = ({ name, size, lastModified }) => `upload ${name} ${size} ${lastModified}`;

  /** The offset of an upload of this file that can be resumed, or 0. */
  const offsetOf = async (file) => {
    const id = localStorage.getItem(keyOf(file));
    const response = id && (await fetch(`${upload}/${id}/`, { headers }));
    if (response && response.ok) return Number((await response.json()).offset);
    const isGone = !response || [404, 410].includes(response.status);
    if (!isGone) throw new Error(`The server answered ${response.status}`);
    localStorage.removeItem(keyOf(file));
    return 0;
  };

  const complete = async ([file]) => {
    const body = new URLSearchParams({ upload_id: localStorage.getItem(keyOf(file)), md5: await md5(file) });
    const response = await fetch(`${upload}/complete/`, { method: 'POST', headers, body });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    localStorage.removeItem(keyOf(file));
    onMedia(answer);
  };

  const start = async (data) => {
    const offset = await offsetOf(data.files[0]);
    if (offset === data.files[0].size) return await complete(data.files);
    data.uploadedBytes = offset;
    data.data = null; // left from the previous attempt
    data.submit();
  };

  return {
    url: `${upload}/chunk/`,
    headers,
    dataType: 'json',
    paramName: 'image',
    maxChunkSize: 204_800,
    add: (_, data) => void start(data).catch(onError),
    chunkbeforesend: (_, data) => {
      const id = localStorage.getItem(keyOf(data.files[0]));
      data.formData = id ? [{ name: 'upload_id', value: id }] : [];
    },
    chunkdone: (_, { files, result }) => localStorage.setItem(keyOf(files[0]), result.upload_id),
    done: (_, { files, result }) => {
      localStorage.setItem(keyOf(files[0]), result.upload_id);
      complete(files).catch(onError);
    },
    fail: (_, data) => {
      const { status = 0, responseJSON } = data.jqXHR ?? {};
      data.failures = (data.failures ?? 0) + 1;
      if ((status > 0 && status < 500) || data.failures > retries)
        return onError(new Error(responseJSON?.detail ?? data.errorThrown));
      setTimeout(() => start(data).catch(onError), 2 ** data.failures * 100);
    },
  };
}
