// @ts-check
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MODEL = join(import.meta.dirname, '../model/main.js');

/**
 * Explores the design in every order of its steps, without a server.
 * @param {import('../report.js').Options} options @returns {AsyncGenerator<import('../report.js').Line>}
 */
export async function* model({ short }) {
  if (!existsSync(MODEL)) {
    yield { layer: 'model', skipped: 'there is no model' };
    return;
  }
  const args = [MODEL, ...(short ? [] : ['--all'])];
  const ended = await promisify(execFile)(process.execPath, args).catch(
    (/** @type {Error & { stdout: string, stderr: string }} */ error) => error,
  );
  const lines = ended.stdout.trim().split('\n');
  const failed = ended instanceof Error;
  yield {
    layer: 'model',
    variants: lines.length,
    violations: failed ? [{ kind: 'wrong', what: `${ended.stdout}${ended.stderr}`.slice(-1000) }] : [],
  };
}
