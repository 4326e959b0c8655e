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
    if (!/^[\w.:[\]-]{1,255}$/.test(request.host ?? ''))
      throw new InvalidRequest('Host', 'The Host header is missing or malformed');
    return `${request.protocol}://${request.host}`;
  }
}

/** The origin that this client reaches the server by, without a last slash: `PUBLIC_URL`, or the request's own. */
export const PublicUrl = () => WholeRequest(PublicUrlPipe);
