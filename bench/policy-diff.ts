// How long `policy diff` takes over a full queue, and how long clients wait for a reply meanwhile.
// `node bench/policy-diff.ts [--queued 50000] [--rules 50]`, after `npm run build`.
// Never looks into the daemon: it is asked as the command line asks it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { freePort, percentile } from './children.ts';
import { inject, message, Submission } from './injector.ts';
import { type SendoffUnderTest, startSendoff, waitForQueue } from './sendoff.ts';

const { values } = parseArgs({
  options: { queued: { type: 'string', default: '50000' }, rules: { type: 'string', default: '50' } },
});
const queued = Number(values.queued);
const rules = Number(values.rules);

const ROUNDS = 5;
const DOMAINS = 1_000;
const IDLE_MS = 3_000;

/** Nobody listens: the mail waits behind a closed door. `other`: the same with every third rule changed. */
function policy(port: number, other: boolean) {
  const way = { via: 'smarthost', hosts: [`127.0.0.1:${port}`], tls: 'none' };
  const named = Array.from({ length: rules - 1 }, (_, n) => ({
    name: `rule ${n}`,
    when: { to: [`d${n}.example`, `*.d${n}.example`], from: 'sender@bench.example' },
    ...(other && n % 3 === 0
      ? { hold: 'later' }
      : { retry: { after: [`${n + 1}m`] }, route: ['first', 'second'] }),
  }));
  const last = { name: 'everything else', route: other ? 'second' : ['first', 'second'] };
  return { routes: { first: way, second: way }, rules: [...named, last] };
}

interface Answer {
  readonly queue: { readonly recipients: number; readonly changes: readonly unknown[] };
}

async function ask(server: SendoffUnderTest, file: string): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ file });
  const answer = await fetch(`${server.admin}/api/policy/diff`, { method: 'POST', headers, body });
  return (await answer.json()) as Answer;
}

/** Milliseconds of each reply until `over` says that it is enough. */
async function replies(port: number, over: () => boolean): Promise<number[]> {
  const submission = await Submission.open(port);
  const times: number[] = [];
  while (!over()) {
    const began = performance.now();
    await submission.noop();
    times.push(performance.now() - began);
  }
  submission.close();
  return times;
}

function print(what: string, text: string): void {
  process.stdout.write(`${what.padEnd(40)} ${text}\n`);
}

/** The same waiting without a diff: what the machine itself makes of it. */
async function idle(server: SendoffUnderTest): Promise<void> {
  const until = performance.now() + IDLE_MS;
  print('no diff', repliesText(await replies(server.port, () => performance.now() > until)));
}

function repliesText(times: readonly number[]): string {
  const [half, most, worst] = [percentile(times, 0.5), percentile(times, 0.99), Math.max(...times)];
  return `a reply ${half.toFixed(1)} ms, of a hundred one ${most.toFixed(0)} ms, at worst ${worst.toFixed(0)} ms`;
}

async function measure(server: SendoffUnderTest, file: string): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    let done = false;
    const probing = replies(server.port, () => done);
    const began = performance.now();
    const { queue } = await ask(server, file);
    const took = performance.now() - began;
    done = true;
    const times = await probing;
    const what = `${queue.recipients} recipients, ${rules} rules: ${(took / 1000).toFixed(2)} s`;
    print(what, repliesText(times));
  }
}

const port = await freePort();
const server = await startSendoff({ policy: policy(port, false) });
try {
  const file = join(server.folder, 'other.yaml');
  writeFileSync(file, stringify(policy(port, true)));
  await inject(server.port, queued, (n) => `user${n}@d${n % DOMAINS}.example`, message(1024));
  await waitForQueue(server, queued);
  await idle(server);
  await measure(server, file);
} finally {
  await server.stop();
}
