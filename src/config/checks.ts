// What the schema of sendoff.yaml cannot see: keys that need each other, and files on this machine.
// load.ts calls it with every section that could be read, so that one mistake does not hide another.
// Never changes anything: it opens files for reading and closes them.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { createSecureContext } from 'node:tls';
import { isLoopback, parseDomain } from './network.ts';
import type { Path } from './problem.ts';
import { formatSize } from './quantities.ts';
import { isRecord } from './record.ts';
import type { SettingsData } from './schema.ts';
import type { Source } from './source.ts';
import { reasonOf } from './yaml-file.ts';

/** A mistake or a doubt, at a key. */
export interface Objection {
  readonly path: Path;
  readonly message: string;
  readonly hint?: string;
  readonly severity?: 'warning';
}

type Sections = Partial<SettingsData>;

/** A message is on disk twice while its segment is copied, and its DSN may carry it once more. */
const FREE_SPACE_PER_MESSAGE = 1.5;

const READABLE_BY_OTHERS = 0o004;

export function objectionsTo(sections: Sections, source: Source): Objection[] {
  return [
    ...hostnameObjections(sections, source),
    ...tlsObjections(sections, source),
    ...spaceObjections(sections),
    ...adminObjections(sections),
    ...policyObjections(sections, source),
  ];
}

/** The least free space that `spool.minFree` may ask for, in octets. */
export function leastFree(messageSize: number): number {
  return Math.ceil(messageSize * FREE_SPACE_PER_MESSAGE);
}

/** The machine's own name, as good as the system knows it. */
export function machineName(): string {
  return parseDomain(hostname()) ?? 'localhost';
}

function hostnameObjections({ hostname: configured }: Sections, source: Source): Objection[] {
  if (configured === undefined && isGiven('hostname', source)) return [];
  const name = configured ?? machineName();
  if (name.includes('.')) return [];
  const message = `${name} is not a full name: receivers refuse an EHLO without a domain (RFC 5321 §2.3.5)`;
  return [{ path: ['hostname'], message, hint: 'such as relay.example.net', severity: 'warning' }];
}

/** A section that is given and not among the readable ones has mistakes of its own. */
function isGiven(section: keyof SettingsData, { data }: Source): boolean {
  return isRecord(data) && data[section] !== undefined;
}

function tlsObjections({ listeners = [], tls }: Sections, source: Source): Objection[] {
  if (tls !== undefined) return certificateObjections(tls, source);
  if (isGiven('tls', source)) return [];
  return listeners.flatMap((listener, index) =>
    listener.tls === 'none'
      ? []
      : [
          {
            path: ['listeners', index, 'tls'],
            message: `\`tls: ${listener.tls}\` needs a certificate`,
            hint: 'add tls.cert and tls.key',
          },
        ],
  );
}

function certificateObjections(tls: NonNullable<SettingsData['tls']>, source: Source): Objection[] {
  const cert = readAt(source.absolute(['tls', 'cert'], tls.cert));
  const key = readAt(source.absolute(['tls', 'key'], tls.key));
  const objections: Objection[] = [];
  if ('reason' in cert) objections.push({ path: ['tls', 'cert'], message: `cannot be read: ${cert.reason}` });
  if ('reason' in key) objections.push({ path: ['tls', 'key'], message: `cannot be read: ${key.reason}` });
  if ('mode' in key && (key.mode & READABLE_BY_OTHERS) !== 0) {
    objections.push({
      path: ['tls', 'key'],
      message: 'others can read the key',
      hint: `chmod o-rwx ${tls.key}`,
    });
  }
  if (objections.length > 0 || 'reason' in cert || 'reason' in key) return objections;
  const misfit = misfitOf(cert.text, key.text);
  return misfit === null
    ? []
    : [{ path: ['tls', 'cert'], message: `certificate and key are of no use: ${misfit}` }];
}

function readAt(
  file: string,
): { readonly text: string; readonly mode: number } | { readonly reason: string } {
  try {
    return { text: readFileSync(file, 'utf8'), mode: statSync(file).mode };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

function misfitOf(cert: string, key: string): string | null {
  try {
    createSecureContext({ cert, key });
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function spaceObjections({ spool, limits }: Sections): Objection[] {
  if (spool?.minFree === undefined || limits === undefined) return [];
  const least = leastFree(limits.messageSize);
  if (spool.minFree >= least) return [];
  const message = `must be at least 1.5 times limits.messageSize, ${formatSize(least)}`;
  return [{ path: ['spool', 'minFree'], message }];
}

function adminObjections({ admin }: Sections): Objection[] {
  if (admin === undefined || admin.token !== undefined || isLoopback(admin.address)) return [];
  const message = 'the admin API listens beyond this machine and has no token';
  return [{ path: ['admin', 'address'], message, hint: 'add admin.token, or listen on 127.0.0.1' }];
}

function policyObjections({ policy }: Sections, source: Source): Objection[] {
  if (policy === undefined || existsSync(source.absolute(['policy'], policy))) return [];
  return [{ path: ['policy'], message: 'no such file or folder' }];
}
