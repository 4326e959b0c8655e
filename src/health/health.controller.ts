import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { Controller, Get, type OnModuleDestroy } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import {
  HealthCheck,
  HealthCheckService,
  HealthIndicatorService,
  type HealthCheckResult,
} from '@nestjs/terminus';
import { DataSource } from 'typeorm';
import { Public } from '../auth/bearer.guard.js';
import { FileStore } from '../storage/file-store.js';

@ApiTags('Health')
@Public()
@Controller('health')
export class HealthController implements OnModuleDestroy {
  private stopping = false;

  constructor(
    private readonly health: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
    private readonly source: DataSource,
    private readonly store: FileStore,
  ) {}

  /** From the moment a stop is asked for, so that load balancers look elsewhere while running chunks finish. */
  onModuleDestroy(): void {
    this.stopping = true;
  }

  /** Whether the process runs: a failure asks for a restart. */
  @Get('live')
  @HealthCheck()
  @ApiOperation({ operationId: 'live', summary: 'Does the process run?' })
  async live(): Promise<HealthCheckResult> {
    return await this.health.check([]);
  }

  /** Whether it can take uploads: a failure asks for traffic to go elsewhere. */
  @Get('ready')
  @HealthCheck()
  @ApiOperation({ operationId: 'ready', summary: 'Can it take uploads?' })
  async ready(): Promise<HealthCheckResult> {
    return await this.health.check([
      () => this.indicate('running', () => Promise.resolve(!this.stopping)),
      () => this.indicate('database', () => this.source.query('SELECT 1').then(() => true)),
      () => this.indicate('migrations', async () => !(await this.source.showMigrations())),
      () => this.indicate('storage', () => this.writable()),
    ]);
  }

  private async writable(): Promise<boolean> {
    await Promise.all([this.store.uploads, this.store.files].map((path) => access(path, constants.W_OK)));
    return !this.store.failing;
  }

  private async indicate(name: string, good: () => Promise<boolean>) {
    const indicator = this.indicators.check(name);
    return (await good().catch(() => false)) ? indicator.up() : indicator.down();
  }
}
