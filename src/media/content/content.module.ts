import { Module } from '@nestjs/common';
import { ImageCodec } from '../images/image-codec.js';
import { PublicImages } from '../images/public-images.js';
import { Thumbnails } from '../images/thumbnails.js';
import { ContentInspector } from './content-inspector.js';
import { Digester } from './digest/digester.js';

@Module({
  providers: [ContentInspector, Digester, ImageCodec, PublicImages, Thumbnails],
  exports: [ContentInspector, Digester, PublicImages, Thumbnails],
})
export class ContentModule {}
