// A Sendoff of the bench's own: the built program, started as an operator starts it, with private settings.
// throughput.ts, latency.ts and memory.ts measure it from outside.
// Never a seam or a shortcut that production does not have.
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { benchFolder, end, freePort, rssAnon, spawnChild, waitFor } from './children.ts';
import { listening, type ServerUnderTest } from './postfix.ts';

export interface SendoffUnderTest extends ServerUnderTest {
  readonly folder: string;
  readonly admin: string;
  readonly pid: number;
  /** MB, of the daemon and of its Redis. */
  memory(): { readonly daemon: number; readonly redis: number };
  /** Recipients in the queue, from the metrics. */
  queued(): Promise<number>;
  /** Milliseconds from the start of the process until its port accepted connections. */
  readonly acceptingAfter: number;
}

export interface SendoffSettings {
  /** Of an earlier one: its data is used again. */
  readonly folder?: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Default: everything straight to the MX hosts. */
  readonly policy?: Readonly<Record<string, unknown>>;
}

const program = new URL('../bin/sendoff.js', import.meta.url).pathname;

/** Everything to one host, in plain text, over as many connections as Postfix opens to a relay host. */
export function relayTo(sinkPort: number): NonNullable<SendoffSettings['policy']> {
  return {
    routes: { sink: { via: 'smarthost', hosts: [`127.0.0.1:${sinkPort}`], tls: 'none', connections: 20 } },
    rules: [{ name: 'everything', when: 'any', route: 'sink' }],
  };
}

export async function startSendoff(options: SendoffSettings): Promise<SendoffUnderTest> {
  const folder = options.folder ?? benchFolder('sendoff');
  const [port, adminPort] = [await freePort(), await freePort()];
  const settings = {
    hostname: 'bench.example',
    data: './var',
    listeners: [{ address: '127.0.0.1', port }],
    admin: { port: adminPort },
    ...(options.policy && { policy: './policy.yaml' }),
    ...options.settings,
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'sendoff.yaml'), stringify(settings));
  if (options.policy) writeFileSync(join(folder, 'policy.yaml'), stringify(options.policy));
  const log = openSync(join(folder, 'log'), 'a');
  const child = spawnChild(process.execPath, [program, 'serve', '--config', join(folder, 'sendoff.yaml')], {
    stdio: ['ignore', log, log],
  });
  const ended = new Promise<never>((_, reject) => {
    child.once('exit', (code) => reject(new Error(`sendoff ended with ${code}, see ${folder}/log`)));
  });
  ended.catch(() => undefined);
  const acceptingAfter = await Promise.race([listening(port), ended]);
  await Promise.race([listening(adminPort), ended]);
  const admin = `http://127.0.0.1:${adminPort}`;
  const redisPid = (): number => Number(readFileSync(join(folder, 'var/redis/redis.pid'), 'utf8'));
  const pid = child.pid ?? 0;
  return {
    name: 'Sendoff',
    port,
    folder,
    admin,
    pid,
    acceptingAfter,
    memory: () => ({ daemon: rssAnon(pid), redis: rssAnon(redisPid()) }),
    queued: () => metric(admin, 'sendoff_recipients_queued'),
    stop: () => end(child),
  };
}

async function metric(admin: string, name: string): Promise<number> {
  const text = await (await fetch(`${admin}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** Until its queue holds this many recipients. */
export function waitForQueue(server: SendoffUnderTest, least: number, most = least): Promise<number> {
  return waitFor(`the queue to hold ${least}`, async () => {
    const queued = await server.queued();
    return queued >= least && queued <= most;
  });
}
