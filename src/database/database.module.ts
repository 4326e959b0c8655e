import { Global, Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import type { DataSource } from 'typeorm';
import { Database } from './database.js';

@Global()
@Module({ providers: [Database], exports: [Database] })
export class DatabaseModule {
  /** Over a data source that is open; closed with the app. */
  static with(source: DataSource): DynamicModule {
    const typeOrm = TypeOrmModule.forRootAsync({
      useFactory: () => source.options,
      dataSourceFactory: async () => Promise.resolve(source),
    });
    return { module: DatabaseModule, imports: [typeOrm], exports: [typeOrm] };
  }
}
