const CHUNK_BYTES = 204_800;

/** Uploads a File; `md5` is its digest in hex. With an `uploadId` it resumes an upload that was interrupted. */
export async function uploadFile(file, { url, token, md5, uploadId }) {
  const api = async (path, init = {}) => {
    const headers = { Authorization: `Bearer ${token}`, ...init.headers };
    const response = await fetch(`${url}/api/v2/media/upload/${path}`, { ...init, headers });
    const body = await response.json();
    if (!response.ok) throw Object.assign(new Error(body.detail), { status: body.status, uploadId });
    return body;
  };
  let offset = uploadId ? undefined : 0;
  for (let failures = 0; offset === undefined || offset < file.size;) {
    try {
      offset ??= Number((await api(`${uploadId}/`)).offset);
      const end = Math.min(offset + CHUNK_BYTES, file.size);
      if (offset === end) break;
      const body = new FormData();
      if (uploadId) body.append('upload_id', uploadId);
      body.append('image', file.slice(offset, end), file.name);
      const headers = { 'Content-Range': `bytes ${offset}-${end - 1}/${file.size}` };
      const answer = await api('chunk/', { method: 'POST', body, headers });
      [uploadId, offset, failures] = [answer.upload_id, Number(answer.offset), 0];
    } catch (error) {
      if (!uploadId || error.status < 500 || ++failures > 8) throw error;
      await new Promise((resolve) => setTimeout(resolve, 2 ** failures * 100));
      offset = undefined; // ask the server for the offset
    }
  }
  return await api('complete/', { method: 'POST', body: new URLSearchParams({ upload_id: uploadId, md5 }) });
}
