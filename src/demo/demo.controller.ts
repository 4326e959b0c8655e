import { readFile } from 'node:fs/promises';
import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Public } from '../auth/bearer.guard.js';
import { Config } from '../config/config.js';
import { INDEX } from './pages.js';

/** Allows only the files of the page, and images from PUBLIC_URL. */
const POLICY = [
  `default-src 'none'`,
  `script-src 'self'`,
  `worker-src 'self' blob:`,
  `style-src 'self'`,
  `img-src 'self' https: http: data: blob:`,
  `connect-src 'self'`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
].join('; ');

@ApiExcludeController()
@Controller()
export class DemoController {
  constructor(private readonly config: Config) {}

  /** The demo page. It shows demo features on demo servers only, and knows which files the server accepts. */
  @Get()
  @Public()
  @Header('Content-Type', 'text/html; charset=utf-8')
  @Header('Content-Security-Policy', POLICY)
  @Header('Cache-Control', 'no-cache')
  async page(): Promise<string> {
    const html = await readFile(INDEX, 'utf8');
    const { imageMaxBytes, documentMaxBytes, allowedTypes } = this.config.uploads;
    const data = {
      trials: this.config.isDemo,
      'image-max-bytes': imageMaxBytes,
      'document-max-bytes': documentMaxBytes,
      types: allowedTypes.join(' '),
    };
    const attributes = Object.entries(data).map(([name, value]) => `data-${name}="${value}"`);
    return html.replace('data-trials="false"', attributes.join(' '));
  }
}
