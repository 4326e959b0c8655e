import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { atOnce } from '../../concurrency/at-once.js';
import { patience } from './patience.js';

const PIECES_AT_ONCE = 2;

/** A piece of a multipart upload. */
interface Piece {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
  /** From 1. */
  readonly PartNumber: number;
}

/**
 * Makes an object of pieces, by a multipart upload.
 * @param send sends one of them, and returns its ETag
 */
export async function inPieces(
  client: S3Client,
  target: Pick<Piece, 'Bucket' | 'Key'>,
  count: number,
  send: (piece: Piece) => Promise<string | undefined>,
): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target), patience());
  const upload = { ...target, UploadId };
  try {
    const Parts = Array.from({ length: count }, (_, i) => ({
      PartNumber: i + 1,
      ETag: undefined as string | undefined,
    }));
    await atOnce(PIECES_AT_ONCE, Parts, async (part) => {
      part.ETag = await send({ ...upload, PartNumber: part.PartNumber });
    });
    const command = new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } });
    await client.send(command, patience());
  } catch (error) {
    // Has no effect if the upload was completed after all: only the object can tell.
    await client.send(new AbortMultipartUploadCommand(upload), patience()).catch(() => undefined);
    throw error;
  }
}
