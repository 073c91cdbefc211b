// Reads sendoff.yaml and the environment into Settings, or into the list of all that is wrong.
// The command line calls it; source.ts reads, schema.ts knows the keys, checks.ts looks at the machine.
// Never throws for a mistake in the file, and never starts anything.
import { existsSync } from 'node:fs';
import { leastFree, machineName, type Objection, objectionsTo } from './checks.ts';
import { problemAt } from './document.ts';
import type { Environment } from './environment.ts';
import { type Finding, findingsOf, parseOptions } from './issues.ts';
import { hasErrors, inReadingOrder, type Problem } from './problem.ts';
import { isRecord } from './record.ts';
import { type SettingsData, settingsSchema } from './schema.ts';
import { concerns } from './secrets.ts';
import type { Settings } from './settings.ts';
import { readSource, type Source } from './source.ts';

export type LoadedSettings =
  | { readonly settings: Settings; readonly warnings: readonly Problem[] }
  | { readonly problems: readonly Problem[] };

export interface SettingsRequest {
  /** From the command line; else SENDOFF_CONFIG, config/sendoff.yaml, /etc/sendoff/sendoff.yaml, the defaults. */
  readonly file?: string | undefined;
  readonly environment: Environment;
}

/** 1 GB: some minutes of a busy relay's mail, so that an operator who is warned can still act. */
const USUAL_MIN_FREE = 1024 ** 3;

export function loadSettings({ file, environment }: SettingsRequest): LoadedSettings {
  const source = readSource(file, environment);
  const parsed = settingsSchema.safeParse(source.data, parseOptions);
  const sections = parsed.success ? parsed.data : readableSections(source.data);
  const problems = inReadingOrder([
    ...source.problems,
    ...source.unset.map(({ path, message }) => problemAt(source.place(path, 'value'), path, message)),
    ...(parsed.success ? [] : findingsOf(parsed.error)).flatMap((finding) => placed(finding, source)),
    ...objectionsTo(sections, source).map((objection) => objected(objection, source)),
  ]);
  if (!parsed.success || hasErrors(problems)) return { problems };
  return { settings: assemble(parsed.data, source), warnings: problems };
}

/** Those top-level keys that have no mistake, so that checks between keys still find theirs. */
function readableSections(data: unknown): Partial<SettingsData> {
  if (!isRecord(data)) return {};
  const sections = Object.entries(settingsSchema.shape).flatMap(([key, schema]) => {
    const parsed = schema.safeParse(data[key]);
    return parsed.success && parsed.data !== undefined ? [[key, parsed.data] as const] : [];
  });
  return Object.fromEntries(sections) as Partial<SettingsData>;
}

/** A secret that is not set has its own problem; what the schema says of its placeholder is no news. */
function placed(finding: Finding, source: Source): Problem[] {
  if (source.unset.some((secret) => concerns(secret, finding.path))) return [];
  return [problemAt(source.place(finding.path, finding.at), finding.path, finding.message, finding)];
}

function objected(objection: Objection, source: Source): Problem {
  return problemAt(source.place(objection.path, 'value'), objection.path, objection.message, objection);
}

function assemble(data: SettingsData, source: Source): Settings {
  const { clients, redis, spool, dns, delivery, tls } = data;
  return {
    file: source.file,
    hostname: data.hostname ?? machineName(),
    postmaster: data.postmaster ?? null,
    qualify: data.qualify ?? null,
    data: source.absolute(['data'], data.data),
    shutdownTimeout: data.shutdownTimeout,
    listeners: data.listeners.map(({ address, port, content, tls }) => ({ address, port, content, tls })),
    trusted: clients.trusted,
    limits: data.limits,
    tls: tls === undefined ? null : { ...tls, ...certificateFiles(tls, source) },
    redisUrl: redis.url ?? null,
    spool: { minFree: spool.minFree ?? Math.max(USUAL_MIN_FREE, leastFree(data.limits.messageSize)) },
    dns: { servers: dns.servers ?? null },
    delivery: {
      port: delivery.port,
      ip: delivery.ip,
      connections: delivery.connections,
      allowNetworks: delivery.allowNetworks,
      softBounce: delivery.softBounce,
    },
    policy: policyPath(data, source),
    admin: { ...data.admin, token: data.admin.token ?? null },
    log: data.log,
  };
}

function certificateFiles(tls: NonNullable<SettingsData['tls']>, source: Source) {
  return { cert: source.absolute(['tls', 'cert'], tls.cert), key: source.absolute(['tls', 'key'], tls.key) };
}

/** The file that is named, or policy.yaml beside sendoff.yaml when there is one. */
function policyPath(data: SettingsData, source: Source): string | null {
  if (data.policy !== undefined) return source.absolute(['policy'], data.policy);
  const beside = source.absolute(['policy'], 'policy.yaml');
  return source.file !== null && existsSync(beside) ? beside : null;
}
