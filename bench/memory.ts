// Memory of the daemon and its Redis, idle and with a full queue, and how soon a start with it works.
// `node bench/memory.ts [--queued 100000] [--domains 20000]`, after `npm run build`.
// Never counts mapped files: RssAnon is what the machine cannot take back.
import { parseArgs } from 'node:util';
import { waitFor } from './children.ts';
import { inject, message, Submission } from './injector.ts';
import { type Internet, startInternet } from './internet.ts';
import { type SendoffUnderTest, startSendoff, waitForQueue } from './sendoff.ts';

const { values } = parseArgs({
  options: {
    queued: { type: 'string', default: '100000' },
    domains: { type: 'string', default: '20000' },
  },
});
const queued = Number(values.queued);

/** Garbage of the filling is collected, first attempts are under way. */
const SETTLING = 15_000;

const LONGEST_WAIT = 60_000;

const BODY = message(1024);
let sent = 0;

function report(what: string, server: SendoffUnderTest): void {
  const { daemon, redis } = server.memory();
  process.stdout.write(
    `${what.padEnd(44)} ${daemon.toFixed(0).padStart(4)} MB, Redis ${redis.toFixed(0)} MB\n`,
  );
}

async function settled(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, SETTLING));
}

async function idle(internet: Internet): Promise<void> {
  const server = await startSendoff({ settings: internet.settings });
  await settled();
  report('idle', server);
  await server.stop();
}

/** Milliseconds from `began` to the 250, and to the final dot at the receiving host. */
async function deliver(server: SendoffUnderTest, internet: Internet, began: number) {
  const recipient = `probe${++sent}@live.example`;
  const submission = await Submission.open(server.port);
  await submission.send(recipient, BODY);
  const accepted = performance.now() - began;
  submission.close();
  // What is not there by then is reported as endless, and the bench goes on.
  await waitFor(recipient, () => internet.arrivals.has(recipient), LONGEST_WAIT).catch(() => undefined);
  return { accepted, delivered: (internet.arrivals.get(recipient) ?? Number.POSITIVE_INFINITY) - began };
}

async function full(internet: Internet, domains: number): Promise<void> {
  const what = `${queued} queued over ${domains} domain${domains === 1 ? '' : 's'}`;
  for (let n = 0; n < domains; n++) internet.add(`d${n}.silent.example`, 'silent');
  const first = await startSendoff({ settings: internet.settings });
  await deliver(first, internet, 0);
  await inject(first.port, queued, (n) => `user${n}@d${n % domains}.silent.example`, BODY);
  await waitForQueue(first, queued);
  await settled();
  report(what, first);
  await first.stop();

  const began = performance.now();
  const second = await startSendoff({ folder: first.folder, settings: internet.settings });
  const { accepted, delivered } = await deliver(second, internet, began);
  const seconds = (ms: number): string =>
    Number.isFinite(ms) ? `${(ms / 1000).toFixed(1)} s` : `more than ${LONGEST_WAIT / 1000} s`;
  process.stdout.write(`  started: accepted mail after ${seconds(accepted)}, `);
  process.stdout.write(`delivered it after ${seconds(delivered)}\n`);
  await waitForQueue(second, queued, queued + 1);
  await settled();
  report('  after that start', second);
  await second.stop();
}

const internet = await startInternet();
internet.add('live.example', 'live');
await idle(internet);
await full(internet, 1);
await full(internet, Number(values.domains));
process.exit(0);
