import { existsSync } from 'node:fs';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { ConfigError } from './config-error.js';
import { Config } from './config.js';
import { Environment } from './environment.js';
import { misspelledSettings } from './misspelled.js';
import { StartError } from './start-error.js';

type Variables = Readonly<Record<string, string | undefined>>;

/** Reads and checks the settings; unknown variables are ignored. @throws ConfigError */
export function loadConfig(variables?: Variables): Config {
  return new Config(loadEnvironment(variables));
}

/** The variables themselves, each checked on its own. @throws ConfigError */
export function loadEnvironment(variables: Variables = processVariables()): Environment {
  const given = Object.entries(variables).filter(([, value]) => value !== undefined && value.trim() !== '');
  const environment = plainToInstance(Environment, Object.fromEntries(given));
  const problems = validateSync(environment).map(
    ({ property, constraints }) => `${property}: ${Object.values(constraints ?? {}).join(', ')}`,
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return environment;
}

/** A warning for each variable of this process that looks like a misspelled setting. */
export function settingWarnings(): string[] {
  return misspelledSettings(Object.keys(processVariables()));
}

/** The environment of the process, and for variables that it lacks, a `.env` file in the working directory. */
function processVariables(): Variables {
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
  } catch (cause) {
    const { message } = cause as Error;
    throw new StartError(`.env: cannot be read (${message}). Correct it, or remove it.`, { cause });
  }
  return process.env;
}
