import type { IncomingMessage, ServerResponse } from 'node:http';
import { parse } from 'node:querystring';
import { Injectable } from '@nestjs/common';
import { answerProblem } from '../../../errors/answer-problem.js';
import { Downloads, type PublicArea } from './downloads.js';

/** The paths in a media item. */
const ADDRESS = /^\/(files|thumbnails)\/([0-9a-f]{32}\.[a-z0-9]{1,8})(?:\?(.{1,200}))?$/;

/**
 * Serves most downloads. Does the same as the controllers of files and thumbnails, with the same services, but without
 * Express and Nest. Unusual requests go to the controllers.
 */
@Injectable()
export class DownloadFastPath {
  constructor(private readonly downloads: Downloads) {}

  readonly handle = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    const [, area, name, query] = addressIn(request) ?? [];
    if (area === undefined || name === undefined) return next();
    Object.assign(request, { route: { path: `/${area}/:name` } });
    this.downloads
      .send(
        area as PublicArea,
        name,
        query === undefined ? {} : parse(query),
        response as ServerResponse<IncomingMessage>,
      )
      .catch((error: unknown) => answerProblem(request, response, error));
  };
}

function addressIn({ method, url = '' }: IncomingMessage): RegExpExecArray | null {
  return method === 'GET' || method === 'HEAD' ? ADDRESS.exec(url) : null;
}
