import type { Database } from '../database/database.js';
import { Jobs } from './jobs.js';

it('a job can be added after the database could not be reached', async () => {
  const statements: string[] = [];
  const query = (text: string) => {
    statements.push(text);
    return statements.length === 1 ? Promise.reject(new Error('away')) : Promise.resolve({ rows: [] });
  };
  const db = { query } as unknown as Database;
  const jobs = new Jobs(db);
  await expect(jobs.add(db, 'job', {})).rejects.toThrow('away');
  await jobs.add(db, 'job', {});
  expect(statements.at(-1)).toMatch(/add_job/);
});
