// The file under `data` that keeps the tokens of routes with OAuth2 across restarts.
// parts.ts opens it and hands it to delivery, which reads and writes no files.
// Never readable by others, never half written, never a reason not to start.
import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from './clock/clock.ts';
import type { Grant } from './delivery/token-request.ts';
import type { GrantBook } from './delivery/tokens.ts';
import type { Observer } from './observe/events.ts';

/** Refresh tokens that nobody used for so long are no good anywhere. */
const FORGOTTEN_AFTER = 365 * 24 * 3_600_000;

export function openGrantFile(file: string, clock: Clock, observer: Observer): GrantBook {
  const grants = new Map(Object.entries(read(file, observer)));
  let writing: Promise<void> = Promise.resolve();
  return {
    recall: (key) => grants.get(key) ?? null,
    keep(key, grant) {
      grants.set(key, grant);
      for (const [other, { expires }] of grants) {
        if (expires < clock.now() - FORGOTTEN_AFTER) grants.delete(other);
      }
      writing = writing
        .then(() => write(file, Object.fromEntries(grants)))
        .catch((error: unknown) =>
          observer.warn('a rotated login token could not be kept for the next start', {
            file,
            error: String(error),
          }),
        );
      return writing;
    },
  };
}

function read(file: string, observer: Observer): Readonly<Record<string, Grant>> {
  try {
    const data: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof data !== 'object' || data === null) throw new Error('it holds no tokens');
    return Object.fromEntries(Object.entries(data).filter(isGrant));
  } catch (error) {
    // JSON.parse quotes what it cannot read: its words stay here.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT')
      observer.warn('login tokens of the last run cannot be read', { file, why: code ?? 'broken' });
    return {};
  }
}

function isGrant(entry: [string, unknown]): entry is [string, Grant] {
  const { accessToken, refreshToken, expires } = (entry[1] ?? {}) as Partial<Grant>;
  return typeof accessToken === 'string' && typeof refreshToken === 'string' && typeof expires === 'number';
}

/** A new file in place of the old one, so that a crash leaves one of the two. */
async function write(file: string, grants: Readonly<Record<string, Grant>>): Promise<void> {
  const fresh = `${file}.new`;
  const handle = await open(fresh, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(`${JSON.stringify(grants)}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
