import type { FileHandle } from 'node:fs/promises';
import { Injectable, Logger } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { ServiceUnavailable } from '../../errors/app-error.js';
import { plainText } from '../../outgoing/answers.js';
import { newEventId } from '../../outgoing/event-id.js';
import { SignedPost, type Answer } from '../../outgoing/signed-post.js';
import { InfectedContent, NotAdmitted } from '../content/content.errors.js';
import { scan, type Address } from './clamd.js';

const ASK_MS = 5000;
const SCAN_MS = 30_000;
const MAX_CHARACTERS = 300;
/** 4xx statuses that do not concern the file: too slow, too early, too many. */
const NOT_NOW = [408, 425, 429];

/** A file that is about to become a media item. */
export interface Candidate {
  readonly user: string;
  readonly upload_id: string;
  readonly title: string | null;
  readonly type: string;
  readonly mimetype: string;
  /** Of the uploaded file. */
  readonly size: number;
  readonly md5: string;
  readonly sha256: string;
}

/** Before files become media items, has clamd scan them and asks the operator's backend. */
@Injectable()
export class Admission {
  private readonly logger = new Logger('Admission');

  constructor(
    private readonly config: Config,
    private readonly post: SignedPost,
  ) {}

  /** @throws InfectedContent, NotAdmitted; ServiceUnavailable without an answer */
  async admit(candidate: Candidate, file: FileHandle): Promise<void> {
    const { clamd, url } = this.config.admission;
    if (clamd) await this.scan(clamd, file, candidate.size);
    if (url) await this.ask(url, candidate);
  }

  private async scan(clamd: Address, file: FileHandle, size: number): Promise<void> {
    const found = await scan(clamd, file, size, AbortSignal.timeout(SCAN_MS)).catch((cause: unknown) => {
      throw new ServiceUnavailable('The virus scanner is not available', cause);
    });
    if (found !== undefined) throw new InfectedContent(plainText(found, MAX_CHARACTERS));
  }

  private async ask(url: URL, candidate: Candidate): Promise<void> {
    const id = newEventId();
    const event = {
      ...{ id, type: 'upload.before_complete', created_at: new Date().toISOString() },
      data: candidate,
    };
    const answer = await this.post
      .send(url, id, event, AbortSignal.timeout(ASK_MS))
      .catch((cause: unknown) => this.withoutAnswer(cause));
    if (!answer || (answer.status >= 200 && answer.status < 300)) return;
    if (isRefusal(answer)) throw new NotAdmitted(wordsOf(answer));
    this.withoutAnswer(new Error(`It answered ${answer.status}`));
  }

  private withoutAnswer(err: unknown): undefined {
    if (!this.config.admission.isOpen)
      throw new ServiceUnavailable('The backend that approves uploads is not available', err);
    this.logger.warn({ err }, 'A file is accepted, although WEBHOOK_BEFORE_COMPLETE does not answer');
  }
}

function isRefusal({ status }: Answer): boolean {
  return status >= 400 && status < 500 && !NOT_NOW.includes(status);
}

/** The message for the client: plain text, or the `detail` of a problem. */
function wordsOf({ text }: Answer): string | undefined {
  return plainText(detailOf(text) ?? text, MAX_CHARACTERS) || undefined;
}

function detailOf(text: string): string | undefined {
  try {
    const { detail } = JSON.parse(text) as { detail?: unknown };
    return typeof detail === 'string' ? detail : undefined;
  } catch {
    return undefined;
  }
}
