import { existsSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';

/** The root directory, from the sources as well as from the build. */
const ROOT = rootOf(import.meta.dirname);

export const INDEX = join(ROOT, 'public', 'index.html');

/** Browsers cache them, and revalidate. */
const ASSETS = {
  index: false,
  redirect: false,
  setHeaders: (response: ServerResponse) => response.setHeader('Cache-Control', 'no-cache'),
} as const;

/** What the demo page loads: its own scripts, and the published client. */
export function servePages(app: NestExpressApplication): void {
  app.useStaticAssets(join(ROOT, 'public', 'demo'), { prefix: '/demo/', ...ASSETS });
  app.useStaticAssets(join(ROOT, 'packages', 'client', 'dist'), { prefix: '/client/', ...ASSETS });
}

function rootOf(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : rootOf(dirname(directory));
}
