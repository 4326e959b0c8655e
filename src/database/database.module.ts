import { Global, Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Config } from '../config/config.js';
import { databaseOptions, type Connection } from './data-source.js';
import { Database } from './database.js';
import { Turns } from './turns.js';

@Global()
@Module({ providers: [Database, Turns], exports: [Database, Turns] })
export class DatabaseModule {
  /** Opens the database with the app, and closes it after everything that uses it has stopped. */
  static with(connection: Connection): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          inject: [Config],
          useFactory: ({ database }: Config) => databaseOptions(connection, database.poolSize),
        }),
      ],
    };
  }
}
