import { chromium, type Browser } from 'playwright-core';

/** The Debian package; `apt-get install chromium`. */
const EXECUTABLE = '/usr/bin/chromium';

/** A browser that speaks to nobody but the pages it is sent to. */
export async function launch(): Promise<Browser> {
  return await chromium.launch({
    executablePath: EXECUTABLE,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}
