import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';

/** The checkout, from the sources as from what is built of them. */
const ROOT = rootOf(import.meta.dirname);

export const INDEX = join(ROOT, 'public', 'index.html');

/** What the demo page loads: its own scripts, and the client as any site would use it. */
export function servePages(app: NestExpressApplication): void {
  app.useStaticAssets(join(ROOT, 'public', 'demo'), { prefix: '/demo/', index: false });
  app.useStaticAssets(join(ROOT, 'packages', 'client', 'dist'), { prefix: '/client/', index: false });
}

function rootOf(directory: string): string {
  return existsSync(join(directory, 'package.json')) ? directory : rootOf(dirname(directory));
}
