import { Module } from '@nestjs/common';
import { SignedPost } from './signed-post.js';

@Module({ providers: [SignedPost], exports: [SignedPost] })
export class OutgoingModule {}
