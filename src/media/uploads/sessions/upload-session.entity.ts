import { randomBytes } from 'node:crypto';
import { Column, Entity, PrimaryColumn } from 'typeorm';
import { bigintColumn } from '../../../database/bigint-column.js';
import type { AppError } from '../../../errors/app-error.js';
import type { Digest } from '../../content/digest/digester.js';

export type UploadState = 'open' | 'complete' | 'cancelled' | 'expired' | 'rejected';

/** Of the error that refused the content. */
export type Rejection = Pick<AppError, 'code' | 'detail'>;

/** One upload, from its first chunk to a week after its end. Sizes are in bytes; `migrations/` owns the schema. */
@Entity('upload_session')
export class UploadSession {
  @PrimaryColumn('text') readonly id!: string;
  @Column('text', { name: 'owner_id' }) readonly ownerId!: string;
  @Column('text') readonly state!: UploadState;
  @Column(bigintColumn) readonly total!: number;
  /** Bytes that are acknowledged and durable. What lies beyond it does not exist. */
  @Column(bigintColumn) readonly offset!: number;
  /** Name of the last part; null while a chunk is announced (announced-tail.ts). */
  @Column('text', { nullable: true }) readonly part!: string | null;
  @Column('text', { name: 'file_name', nullable: true }) readonly fileName!: string | null;
  @Column('text', { nullable: true }) readonly mime!: string | null;
  /** Of the whole file, once an attempt to complete it has failed. */
  @Column('jsonb', { nullable: true }) readonly digest!: Digest | null;
  @Column('jsonb', { nullable: true }) readonly rejection!: Rejection | null;
  @Column('timestamptz', { name: 'created_at' }) readonly createdAt!: Date;
  @Column('timestamptz', { name: 'expires_at' }) readonly expiresAt!: Date;
  @Column('integer', { name: 'media_id', nullable: true }) readonly mediaId!: number | null;
}

/**
 * A piece of an upload with one writer: the bytes from `start` to the start of the next part, or to the offset. Gone once the
 * upload has ended and its bytes are removed.
 */
@Entity('upload_part')
export class UploadPart {
  @PrimaryColumn('text', { name: 'upload_id' }) readonly uploadId!: string;
  @PrimaryColumn(bigintColumn) readonly start!: number;
  /** Name of the blob in the storage. */
  @Column('text') readonly name!: string;
}

export type PartStart = Pick<UploadPart, 'start' | 'name'>;

/** 128 random bits as 32 hex digits. */
export function newUploadId(): string {
  return randomBytes(16).toString('hex');
}

/** Anything else names no upload, and must not reach Postgres: it may hold a NUL. */
export function isUploadId(id: string): boolean {
  return /^[0-9a-f]{32}$/.test(id);
}
