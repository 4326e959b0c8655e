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
    // Not `request.host`: that may be an X-Forwarded-Host, which proxies pass on from clients unless told otherwise.
    const { host = '' } = request.headers;
    if (!/^[\w.:[\]-]{1,255}$/.test(host))
      throw new InvalidRequest('Host', 'The Host header is missing or malformed');
    return `${request.protocol}://${host}`;
  }
}

/** The origin that this client reaches the server by, without a last slash: `PUBLIC_URL`, or the request's own. */
export const PublicUrl = () => WholeRequest(PublicUrlPipe);
