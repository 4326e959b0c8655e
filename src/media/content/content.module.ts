import { Module } from '@nestjs/common';
import { ImageCodec } from '../images/image-codec.js';
import { PublicImages } from '../images/public-images.js';
import { Thumbnails } from '../images/thumbnails.js';
import { ContentInspector } from './content-inspector.js';

@Module({
  providers: [ContentInspector, ImageCodec, PublicImages, Thumbnails],
  exports: [ContentInspector, PublicImages, Thumbnails],
})
export class ContentModule {}
