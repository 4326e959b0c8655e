// Writes src/api-types.ts from openapi.json, or with --check fails when it is not what the document says.
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const SOURCE = new URL('../../../openapi.json', import.meta.url);
const TARGET = fileURLToPath(new URL('../src/api-types.ts', import.meta.url));

const { components } = JSON.parse(await readFile(SOURCE, 'utf8'));
const declarations = Object.entries(components.schemas).map(declaration);
const text = `// Generated from openapi.json by scripts/generate-api-types.js.\n\n${declarations.join('\n\n')}\n`;
const fresh = await format(text, { ...(await resolveConfig(TARGET)), parser: 'typescript' });

if (!process.argv.includes('--check')) {
  await writeFile(TARGET, fresh);
} else if ((await readFile(TARGET, 'utf8').catch(() => '')) !== fresh) {
  console.error('packages/client/src/api-types.ts is out of date. Run "npm run client:types"');
  process.exitCode = 1;
}

function declaration([name, schema]) {
  return `${comment(schema)}export interface ${name} ${members(schema)}`;
}

function members({ properties = {}, required = [] }) {
  const lines = Object.entries(properties).map(
    ([name, schema]) =>
      `${comment(schema)}readonly ${name}${required.includes(name) ? '' : '?'}: ${typeOf(schema)};`,
  );
  return `{\n${lines.join('\n')}\n}`;
}

function comment({ description }) {
  return description ? `/** ${description.replaceAll('*/', '*∕')} */\n` : '';
}

/** The part of JSON Schema that the document uses; anything else stops the generator. */
function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split('/').at(-1);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (alternatives) return alternatives.map(typeOf).join(' | ');
  if (schema.allOf) return schema.allOf.map(typeOf).join(' & ');
  if (Array.isArray(schema.type)) return schema.type.map((type) => typeOf({ ...schema, type })).join(' | ');
  if (schema.type === 'array') return `readonly (${typeOf(schema.items)})[]`;
  if (schema.type === undefined) return 'unknown';
  if (schema.type === 'object')
    return schema.properties ? members(schema) : 'Readonly<Record<string, unknown>>';
  const type = { string: 'string', number: 'number', integer: 'number', boolean: 'boolean', null: 'null' }[
    schema.type
  ];
  if (!type) throw new Error(`No TypeScript for ${JSON.stringify(schema)}`);
  return type;
}
