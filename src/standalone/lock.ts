import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { alive, commandLine } from './infra/process.js';

export interface DataDirLock {
  release(): void;
}

const FILE = 'start.pid';

/**
 * One holder on a data folder: by default, its supervisor. Null: another one has it. A lock that a killed one left is
 * taken over.
 */
export function lockDataDir(dataDir: string, name = FILE): DataDirLock | null {
  const file = join(dataDir, name);
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, `${process.pid}\n`);
  try {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        linkSync(mine, file);
        return { release: () => rmSync(file, { force: true }) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
      const holder = Number.parseInt(readFileSync(file, 'utf8'), 10);
      if (holder !== process.pid && alive(holder) && commandLine(holder).includes('node')) return null;
      rmSync(file, { force: true });
    }
    return null;
  } finally {
    rmSync(mine, { force: true });
  }
}
