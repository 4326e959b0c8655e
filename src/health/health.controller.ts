import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, type OnModuleDestroy } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { DataSource } from 'typeorm';
import { Public } from '../auth/bearer.guard.js';
import { isMigrated } from '../database/data-source.js';
import { ApiProblems } from '../errors/api-problems.js';
import { ServiceUnavailable } from '../errors/app-error.js';
import { BlobStorage } from '../storage/blob-storage.js';
import { HealthDto, NotReady, type Checks } from './health.dto.js';

const FRESH_MS = 1000;
/** Shorter than the timeouts of load balancers. */
const PATIENCE_MS = 2000;
const UP = { status: 'up' } as const;
const DOWN = { status: 'down' } as const;

@ApiTags('Health')
@Public()
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private stopping = false;
  private latest: Promise<Checks> | undefined;
  private freshUntil = 0;

  constructor(
    private readonly source: DataSource,
    private readonly storage: BlobStorage,
  ) {}

  /** Set when a stop is requested, so that load balancers send traffic elsewhere while running chunks finish. */
  onModuleDestroy(): void {
    this.stopping = true;
  }

  @Get('live')
  @ApiOperation({
    operationId: 'live',
    summary: 'Check that the process is running',
    description: 'If this fails, restart the server.',
  })
  @ApiOkResponse({ type: HealthDto })
  live(): HealthDto {
    return { status: 'ok', details: {} };
  }

  @Get('ready')
  @ApiOperation({
    operationId: 'ready',
    summary: 'Check that the server can accept uploads',
    description: 'If this fails, send traffic elsewhere.',
  })
  @ApiOkResponse({ type: HealthDto })
  @ApiProblems(new ServiceUnavailable())
  async ready(): Promise<HealthDto> {
    const details = { ...(await this.check()), running: this.stopping ? DOWN : UP };
    if (Object.values(details).some(({ status }) => status === 'down')) throw new NotReady(details);
    return { status: 'ok', details };
  }

  /** Checks at most once a second, however many requests there are, and never twice at the same time. */
  private async check(): Promise<Checks> {
    if (!this.latest || performance.now() >= this.freshUntil) {
      this.freshUntil = Infinity;
      const looks = {
        database: this.commits(),
        migrations: isMigrated(this.source),
        storage: this.storage.isHealthy(),
      };
      void Promise.allSettled(Object.values(looks)).then(() => {
        this.freshUntil = performance.now() + FRESH_MS;
      });
      this.latest = checked(looks);
    }
    return await this.latest;
  }

  /** Commits, because a standby, or a primary whose own standby is down, can answer queries but not commit. */
  private async commits(): Promise<boolean> {
    await this.source.query('SELECT id FROM data_directory FOR UPDATE');
    return true;
  }
}

async function checked(looks: Readonly<Record<string, Promise<boolean>>>): Promise<Checks> {
  const results = Object.entries(looks).map(async ([name, look]) => {
    const tooLate = sleep(PATIENCE_MS, false, { ref: false });
    const isUp = await Promise.race([look, tooLate]).catch(() => false);
    return [name, isUp ? UP : DOWN] as const;
  });
  return Object.fromEntries(await Promise.all(results));
}
