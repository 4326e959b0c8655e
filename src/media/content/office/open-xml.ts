import type { FileHandle } from 'node:fs/promises';
import { posix } from 'node:path';
import { accepted, refused, WITH_MACROS, type Accepted, type Refused } from '../verdict.js';
import { elementsOf, type Element } from './xml.js';
import { readEntry, type ZipEntry } from './zip-directory.js';

/** By the folder of the main part: the type of the document, without and with macros. */
export const FOLDERS = {
  word: {
    plain: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    macros: 'application/vnd.ms-word.document.macroenabled.12',
  },
  xl: {
    plain: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    macros: 'application/vnd.ms-excel.sheet.macroenabled.12',
  },
  ppt: {
    plain: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
    macros: 'application/vnd.ms-powerpoint.presentation.macroenabled.12',
  },
};

/** Documents, templates and slide shows. */
const MAIN =
  /^(application\/vnd\.openxmlformats-officedocument\.(?:wordprocessing|spreadsheet|presentation)ml\.).+\.main\+xml$/;
/** The same with macros. Binary workbooks have this type with or without macros. */
const MACRO_MAIN = /^(application\/vnd\.ms-[\w.]+?\.macroenabled)\w*\.main(\+xml)?$/;

export const CONTENT_TYPES = '[content_types].xml';
const RELATIONSHIPS = '_rels/.rels';
/** Each part takes about a hundred bytes there. */
const MAX_XML_BYTES = 2 * 1024 * 1024;

const TWO_DOCUMENTS = refused('application/zip', 'The archive holds two documents at once');

/** Identifies an Open XML package (ECMA-376, part 2) by its main part: a document without macros, or refused. */
export async function openXml(
  file: FileHandle,
  entries: ReadonlyMap<string, ZipEntry>,
): Promise<Accepted | Refused> {
  const names = [...entries.keys()];
  if (new Set(names.map(folderOf).filter((name) => name !== undefined)).size > 1) return TWO_DOCUMENTS;
  const read = async (name: string) => {
    const entry = entries.get(name);
    return entry ? await elementsOf(await readEntry(file, entry, MAX_XML_BYTES)) : [];
  };
  const types = new ContentTypes(await read(CONTENT_TYPES));
  const [main, another] = new Set((await read(RELATIONSHIPS)).flatMap(mainOf));
  if (another !== undefined) return TWO_DOCUMENTS;
  const type = main !== undefined && entries.has(main) ? types.of(main) : undefined;
  return type === undefined ? refused('application/zip') : judge(type, types.haveMacros(names));
}

export function folderOf(name: string): keyof typeof FOLDERS | undefined {
  return /^(word|xl|ppt)\//.exec(name)?.[1] as keyof typeof FOLDERS | undefined;
}

function judge(type: string, hasMacros: boolean): Accepted | Refused {
  const prefix = MAIN.exec(type)?.[1];
  const family = Object.values(FOLDERS).find(({ plain }) => prefix !== undefined && plain.startsWith(prefix));
  if (family) return hasMacros ? refused(family.macros, WITH_MACROS) : accepted(family.plain);
  const [, name, isXml] = MACRO_MAIN.exec(type) ?? [];
  if (name !== undefined) return refused(`${name}.12`, isXml && WITH_MACROS);
  return refused(
    /^application\/[\w.+-]{1,100}$/.test(type) ? type.replace(/\.main\+xml$/, '') : 'application/zip',
  );
}

/** The main part, according to the relationships of the package. Strict documents use another namespace. */
function mainOf({ attributes }: Element): string[] {
  const target = attributes.get('Target');
  const isMain = /\/relationships\/officeDocument$/i.test(attributes.get('Type') ?? '');
  if (!isMain || target === undefined || attributes.get('TargetMode') === 'External') return [];
  return [
    posix
      .normalize(`/${target.replaceAll('\\', '/')}`)
      .slice(1)
      .toLowerCase(),
  ];
}

/** All in lower case, as Office compares them. */
class ContentTypes {
  private readonly byName = new Map<string, string>();
  private readonly byExtension = new Map<string, string>();

  constructor(elements: readonly Element[]) {
    for (const { attributes } of elements) {
      const [type, name, extension] = ['ContentType', 'PartName', 'Extension'].map((attribute) =>
        attributes.get(attribute)?.toLowerCase(),
      );
      if (type === undefined) continue;
      if (name !== undefined) this.byName.set(name.replace(/^\//, ''), type);
      if (extension !== undefined) this.byExtension.set(extension, type);
    }
  }

  of(name: string): string | undefined {
    return this.byName.get(name) ?? this.byExtension.get(extensionOf(name));
  }

  /** A renamed project is still declared as one. */
  haveMacros(names: readonly string[]): boolean {
    const byExtension = [...new Set(names.map(extensionOf))].map((extension) =>
      this.byExtension.get(extension),
    );
    const types = [...this.byName.values(), ...byExtension].filter((type) => type !== undefined);
    return types.some(isMacro) || names.some((name) => name.endsWith('vbaproject.bin'));
  }
}

function isMacro(type: string): boolean {
  return (
    /vbaproject|macrosheet/.test(type) || (type.includes('macroenabled') && !type.includes('.sheet.binary.'))
  );
}

function extensionOf(name: string): string {
  return posix.extname(name).slice(1);
}
