// How long a fresh message to a live domain takes while other domains hang.
// `node bench/latency.ts [--queued 100000] [--domains 5000] [--probes 300]`, after `npm run build`.
// Never measures an idle daemon by mistake: the queue is counted before the probes and after.
import { parseArgs } from 'node:util';
import { percentile, waitFor } from './children.ts';
import { inject, message, Submission } from './injector.ts';
import { type Internet, startInternet } from './internet.ts';
import { type SendoffUnderTest, startSendoff, waitForQueue } from './sendoff.ts';

const { values } = parseArgs({
  options: {
    queued: { type: 'string', default: '100000' },
    domains: { type: 'string', default: '5000' },
    probes: { type: 'string', default: '300' },
  },
});
const queued = Number(values.queued);
const domains = Number(values.domains);
const probes = Number(values.probes);

/** Twenty a second: fresh mail, not a load. */
const PROBE_EVERY = 50;

/** The hanging domains have been tried, and have filled what they may fill. */
const SETTLING = 5_000;

const BODY = message(1024);

async function scenario(name: string, count: number, hanging: number): Promise<void> {
  const internet = await startInternet();
  const server = await startSendoff({ settings: internet.settings, policy: { routes: {}, rules: [] } });
  internet.add('live.example', 'live');
  for (let n = 0; n < hanging; n++) internet.add(`d${n}.silent.example`, 'silent');
  const began = performance.now();
  await inject(server.port, count, (n) => `user${n}@d${n % hanging}.silent.example`, BODY);
  const rate = (count * 1000) / (performance.now() - began);
  await waitForQueue(server, count);
  await new Promise((resolve) => setTimeout(resolve, SETTLING));
  const delays = await probe(server, internet);
  await waitForQueue(server, count, count + probes);
  const ms = (fraction: number): string => `${percentile(delays, fraction).toFixed(0)} ms`;
  const { daemon, redis } = server.memory();
  process.stdout.write(
    `${name}: p50 ${ms(0.5)}, p99 ${ms(0.99)}, max ${ms(1)} of ${delays.length} probes` +
      ` (handed in at ${rate.toFixed(0)}/s; memory ${daemon.toFixed(0)} MB, Redis ${redis.toFixed(0)} MB)\n`,
  );
  await server.stop();
  await internet.close();
}

/** Milliseconds from the 250 to the final dot at the receiving host; each probe has its own recipient. */
async function probe(server: SendoffUnderTest, internet: Internet): Promise<number[]> {
  const delays: Promise<number>[] = [];
  for (let n = 0; n < probes; n++) {
    const recipient = `probe${n}@live.example`;
    const submission = await Submission.open(server.port);
    const start = performance.now();
    await submission.send(recipient, BODY);
    submission.close();
    const arrival = waitFor(recipient, () => internet.arrivals.has(recipient));
    delays.push(arrival.then(() => (internet.arrivals.get(recipient) ?? Number.NaN) - start));
    await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY));
  }
  return Promise.all(delays);
}

await scenario('nothing queued', 1, 1);
await scenario(`${queued} queued for one domain that hangs`, queued, 1);
await scenario(`${domains} domains that hang, one message each`, domains, domains);
process.exit(0);
