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

/** A domain with a success behind it, and probes to domains of which nobody knows anything. */
const KNOWN = 'live.example';
const STRANGERS = 20;

/** A probe that is not there by then counts as endless. */
const LONGEST_WAIT = 30_000;

const BODY = message(1024);
let sent = 0;

async function scenario(name: string, count: number, hanging: number): Promise<void> {
  const internet = await startInternet();
  const server = await startSendoff({ settings: internet.settings });
  internet.add(KNOWN, 'live');
  await probe(server, internet, 1, () => KNOWN);
  for (let n = 0; n < hanging; n++) internet.add(`d${n}.silent.example`, 'silent');
  await inject(server.port, count, (n) => `user${n}@d${n % hanging}.silent.example`, BODY);
  await waitForQueue(server, count);
  await new Promise((resolve) => setTimeout(resolve, SETTLING));
  const known = await probe(server, internet, probes, () => KNOWN);
  const strangers = await probe(server, internet, STRANGERS, (n) => {
    internet.add(`new${n}.example`, 'live');
    return `new${n}.example`;
  });
  await waitForQueue(server, count, count + STRANGERS);
  const { daemon, redis } = server.memory();
  process.stdout.write(
    `${name} (daemon ${daemon.toFixed(0)} MB, Redis ${redis.toFixed(0)} MB)\n` +
      `  to a domain that answered before: ${summary(known)}\n` +
      `  to domains never seen before:     ${summary(strangers)}\n`,
  );
  await server.stop();
  await internet.close();
}

function summary(delays: readonly number[]): string {
  const ms = (fraction: number): string => {
    const delay = percentile(delays, fraction);
    return Number.isFinite(delay) ? `${delay.toFixed(0)} ms` : `over ${LONGEST_WAIT / 1000} s`;
  };
  return `p50 ${ms(0.5)}, p99 ${ms(0.99)}, max ${ms(1)} of ${delays.length} probes`;
}

/**
 * Milliseconds from the 250 to the final dot at the receiving host, Infinity when it did not come;
 * each probe has a recipient of its own.
 */
async function probe(
  server: SendoffUnderTest,
  internet: Internet,
  count: number,
  domain: (n: number) => string,
): Promise<number[]> {
  const delays: Promise<number>[] = [];
  for (let n = 0; n < count; n++) {
    const recipient = `probe${++sent}@${domain(n)}`;
    const submission = await Submission.open(server.port);
    await submission.send(recipient, BODY);
    const start = performance.now();
    submission.close();
    const arrival = waitFor(recipient, () => internet.arrivals.has(recipient), LONGEST_WAIT);
    const delay = (): number => (internet.arrivals.get(recipient) ?? Number.NaN) - start;
    delays.push(arrival.then(delay, () => Number.POSITIVE_INFINITY));
    await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY));
  }
  return Promise.all(delays);
}

await scenario('nothing queued', 1, 1);
await scenario(`${queued} queued for one domain that hangs`, queued, 1);
await scenario(`${domains} domains that hang, one message each`, domains, domains);
process.exit(0);
