import { StartError } from './start-error.js';

/** Invalid settings, which stop the start. The message names each one and says what it should be. */
export class ConfigError extends StartError {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    super(`These settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
  }
}
