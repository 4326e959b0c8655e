import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Uploader } from './Uploader';

createRoot(document.querySelector('main')!).render(
  <StrictMode>
    <Uploader />
  </StrictMode>,
);

document.querySelector<HTMLInputElement>('#picked')!.onchange = async ({ target }) => {
  Object.assign(window, { file: (target as HTMLInputElement).files![0] });
  await import('./readme');
};
