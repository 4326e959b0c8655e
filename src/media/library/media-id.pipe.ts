import { Injectable, type PipeTransform } from '@nestjs/common';
import { MediaNotFound } from './media.errors.js';

const LARGEST_INTEGER = 2 ** 31 - 1;

/** An invalid id gets a 404, like one that does not exist. */
@Injectable()
export class MediaIdPipe implements PipeTransform<string, number> {
  transform(value: string): number {
    const id = /^[1-9]\d{0,9}$/.test(value) ? Number(value) : Number.NaN;
    if (id <= LARGEST_INTEGER) return id;
    throw new MediaNotFound();
  }
}
