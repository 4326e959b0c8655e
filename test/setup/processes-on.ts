import { readdir, readFile } from 'node:fs/promises';

/** Ids of the processes that have a directory in their arguments or environment: servers, and their Postgres. */
export async function processesOn(directory: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const isOn = async (pid: string) => {
    const files = ['cmdline', 'environ'].map((name) => `/proc/${pid}/${name}`);
    const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
    return texts.some((text) => text.includes(directory));
  };
  const found = await Promise.all(pids.map(isOn));
  return pids.filter((_, i) => found[i]);
}
