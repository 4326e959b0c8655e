import { bigintColumn } from '../../database/bigint-column.js';
import { Column, CreateDateColumn, Entity, PrimaryGeneratedColumn } from 'typeorm';

export type MediaType = 'image' | 'eimage' | 'doc';

/** A finished file: complete, verified and durable. `migrations/` defines the schema. */
@Entity('media')
export class Media {
  @PrimaryGeneratedColumn('identity', { type: 'integer', generatedIdentity: 'ALWAYS' })
  readonly id!: number;

  @Column({ name: 'upload_id', type: 'text' })
  readonly uploadId!: string;

  @Column({ name: 'owner_id', type: 'text' })
  readonly ownerId!: string;

  /** 32 random hex digits: the name on disk and in the public URL. */
  @Column({ type: 'text' })
  readonly key!: string;

  @CreateDateColumn({ name: 'added_at', type: 'timestamptz' })
  readonly addedAt!: Date;

  @Column({ type: 'text' })
  readonly type!: MediaType;

  @Column({ type: 'text', nullable: true })
  readonly title!: string | null;

  @Column({ type: 'text', nullable: true })
  readonly description!: string | null;

  @Column({ type: 'text' })
  readonly mime!: string;

  /** Charset of a text, for browsers to decode it; null for other files, or if it cannot be told. */
  @Column({ type: 'text', nullable: true })
  readonly charset!: string | null;

  @Column(bigintColumn)
  readonly size!: number;

  /** Of the uploaded file. `size` and `sha256` are of the published one. */
  @Column({ type: 'text' })
  readonly md5!: string;

  @Column({ type: 'text' })
  readonly sha256!: string;

  /** In pixels, when displayed upright; null for documents. */
  @Column({ type: 'integer', nullable: true })
  readonly width!: number | null;

  @Column({ type: 'integer', nullable: true })
  readonly height!: number | null;

  /** 32 hex digits, like `key`. This and the next four are null until there is a thumbnail. */
  @Column({ name: 'thumbnail_key', type: 'text', nullable: true })
  readonly thumbnailKey!: string | null;

  @Column({ ...bigintColumn, name: 'thumbnail_size', nullable: true })
  readonly thumbnailSize!: number | null;

  @Column({ name: 'thumbnail_width', type: 'integer', nullable: true })
  readonly thumbnailWidth!: number | null;

  @Column({ name: 'thumbnail_height', type: 'integer', nullable: true })
  readonly thumbnailHeight!: number | null;

  @Column({ name: 'thumbnail_color', type: 'text', nullable: true })
  readonly thumbnailColor!: string | null;
}

/** The columns from which the public names of a file and its thumbnail are made. */
export type NamedMedia = Pick<
  Media,
  'key' | 'addedAt' | 'title' | 'mime' | 'charset' | 'size' | 'sha256' | 'thumbnailKey' | 'thumbnailSize'
>;
