import { Injectable, type PipeTransform } from '@nestjs/common';
import type { Request } from 'express';
import { WholeRequest } from '../../http/whole-request.js';
import { PublicUrlPipe } from '../public-url.pipe.js';
import { FileUrls, type FileUrlOf } from './file-urls.js';

@Injectable()
export class FileUrlPipe implements PipeTransform<Request, FileUrlOf> {
  constructor(
    private readonly urls: FileUrls,
    private readonly publicUrl: PublicUrlPipe,
  ) {}

  transform(request: Request): FileUrlOf {
    const origin = this.publicUrl.transform(request);
    return (path) => this.urls.of(origin, path);
  }
}

/** Makes the URLs of files for this client. */
export const FileUrl = () => WholeRequest(FileUrlPipe);
