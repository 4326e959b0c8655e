// A page with the hook of the recipe, in `<StrictMode>`. It does what it is told, and tells what it shows.
import { parentPort, workerData } from 'node:worker_threads';
import { JSDOM } from 'jsdom';

type Hook = ReturnType<typeof import('../../recipes/react.js').useUpload>;
type Command =
  | ['start', { name: string; bytes: Uint8Array<ArrayBuffer> }]
  | ['pause' | 'resume' | 'cancel' | 'mount' | 'unmount'];

const { window } = new JSDOM('<main></main>');

function tell(event: 'view' | 'end', value: unknown): void {
  parentPort?.postMessage([event, value]);
}

async function open(): Promise<void> {
  // React looks at once whether there is a page.
  const { document, navigator } = window;
  for (const [key, value] of Object.entries({ window, document, navigator }))
    Object.defineProperty(globalThis, key, { value });
  const { createElement, StrictMode, useEffect } = await import('react');
  const { createRoot } = await import('react-dom/client');
  const { useUpload } = await import('../../recipes/react.js');

  /** What the hook gave to the last render. */
  let now: Hook;
  function Uploader() {
    now = useUpload(workerData);
    const { state, progress, media, error } = now;
    const view = { state, progress, media, error: error && { code: error.code } };
    // Once it is shown, and `<StrictMode>` has run all effects twice.
    useEffect(() => tell('view', view));
    return null;
  }
  const mount = () => {
    const root = createRoot(document.querySelector('main')!);
    root.render(createElement(StrictMode, null, createElement(Uploader)));
    return root;
  };

  let root = mount();
  parentPort?.on('message', ([command, file]: Command) => {
    if (command === 'unmount') root.unmount();
    else if (command === 'mount') root = mount();
    else if (command === 'start')
      void now.start(new File([file.bytes], file.name, { lastModified: 1 })).then(
        () => tell('end', 'done'),
        (error) => tell('end', error.code),
      );
    else now[command]();
  });
}

void open();
