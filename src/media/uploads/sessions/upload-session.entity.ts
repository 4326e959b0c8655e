import {
  Column,
  CreateDateColumn,
  Entity,
  ManyToOne,
  OneToMany,
  PrimaryColumn,
  type Relation,
} from 'typeorm';
import { bigintColumn } from '../../../database/bigint-column.js';

export type UploadState = 'open' | 'complete' | 'cancelled' | 'expired' | 'rejected';

export interface Rejection {
  readonly code: string;
  readonly detail: string;
}

/** One upload, from its first chunk to a week after its end. Sizes are in bytes; `migrations/` owns the schema. */
@Entity('upload_session')
export class UploadSession {
  @PrimaryColumn({ type: 'text' })
  readonly id!: string;

  @Column({ name: 'owner_id', type: 'text' })
  readonly ownerId!: string;

  @Column({ type: 'text' })
  readonly state!: UploadState;

  @Column(bigintColumn)
  readonly total!: number;

  /** Bytes that are acknowledged and durable. What lies beyond it does not exist. */
  @Column(bigintColumn)
  readonly offset!: number;

  /** Name of the last part; null while a chunk is announced (announced-tail.ts). */
  @Column({ type: 'text', nullable: true })
  readonly part!: string | null;

  /** Name of the finished file. */
  @Column({ type: 'text' })
  readonly key!: string;

  @Column({ name: 'file_name', type: 'text', nullable: true })
  readonly fileName!: string | null;

  @Column({ type: 'text', nullable: true })
  readonly mime!: string | null;

  @Column({ type: 'jsonb', nullable: true })
  readonly rejection!: Rejection | null;

  @CreateDateColumn({ name: 'created_at', type: 'timestamptz' })
  readonly createdAt!: Date;

  @Column({ name: 'expires_at', type: 'timestamptz' })
  readonly expiresAt!: Date;

  @Column({ name: 'idempotency_key', type: 'text', nullable: true })
  readonly idempotencyKey!: string | null;

  @Column({ name: 'media_id', type: 'integer', nullable: true })
  readonly mediaId!: number | null;

  /** In the order of their bytes. Gone once the upload has ended and its parts are removed. */
  @OneToMany(() => UploadPart, ({ session }) => session)
  readonly parts!: readonly Pick<UploadPart, 'start' | 'name'>[];
}

/** A piece of an upload with exactly one writer: the bytes from `start` to the start of the next part, or to the offset. */
@Entity('upload_part')
export class UploadPart {
  @ManyToOne(() => UploadSession, ({ parts }) => parts)
  readonly session!: Relation<UploadSession>;

  @PrimaryColumn({ name: 'upload_id', type: 'text' })
  readonly uploadId!: string;

  @PrimaryColumn(bigintColumn)
  readonly start!: number;

  /** Name of the blob in the storage. */
  @Column({ type: 'text' })
  readonly name!: string;
}
