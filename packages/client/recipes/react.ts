import { useEffect, useRef, useState } from 'react';
import {
  upload,
  type Media,
  type Progress,
  type Upload,
  type UploadError,
  type UploadOptions,
  type UploadState,
} from '@mediadock/client';

interface View {
  readonly state: UploadState | 'idle';
  readonly progress: Progress | null;
  readonly media: Media | null;
  readonly error: UploadError | null;
}

const IDLE: View = { state: 'idle', progress: null, media: null, error: null };

/** One upload at a time: `start(file)` replaces the upload before. Unmounting stops it; `cancel()` also removes it. */
export function useUpload(options: UploadOptions) {
  const current = useRef<Upload | null>(null);
  const [view, setView] = useState(IDLE);

  const start = (file: File): Promise<Media> => {
    void current.current?.abort();
    const running = upload(file, options);
    current.current = running;
    setView({ ...IDLE, state: running.state });
    const show = (news: Partial<View>) => {
      if (current.current === running) setView((before) => ({ ...before, ...news }));
    };
    running.on('state', (state) => show({ state }));
    running.on('progress', (progress) => show({ progress }));
    running.media.then(
      (media) => show({ media }),
      (error: UploadError) => show({ error }),
    );
    return running.media;
  };

  const cancel = () => {
    void current.current?.abort({ cancel: true });
    current.current = null;
    setView(IDLE);
  };

  useEffect(() => () => void current.current?.abort(), []);

  const pause = () => current.current?.pause();
  const resume = () => current.current?.resume();
  return { ...view, start, pause, resume, cancel };
}
