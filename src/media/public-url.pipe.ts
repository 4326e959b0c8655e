import { Injectable, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import { Config } from '../config/config.js';
import { InvalidRequest } from '../errors/app-error.js';
import { WholeRequest } from '../http/whole-request.js';

@Injectable()
export class PublicUrlPipe implements PipeTransform<Request, string> {
  constructor(private readonly config: Config) {}

  transform(request: Request): string {
    if (this.config.publicUrl !== undefined) return this.config.publicUrl;
    // Not `request.host`, which may come from X-Forwarded-Host: by default, proxies pass that on from clients.
    const { host = '' } = request.headers;
    if (!/^[\w.:[\]-]{1,255}$/.test(host))
      throw new InvalidRequest('Host', 'The Host header is missing or malformed');
    return `${request.protocol}://${host}`;
  }
}

/** The public origin of the server, without a trailing slash: `PUBLIC_URL`, or that of the request. */
export const PublicUrl = () => WholeRequest(PublicUrlPipe);
