// Messages a second, accepted to delivered: Sendoff and Postfix in turn, on one machine in one run.
// `npm run bench`, or `node bench/throughput.ts [--rounds 3] [--scale 1] [--only sendoff|postfix]`.
// Never compares numbers of different runs: the ratio of one run is the result.
import { parseArgs } from 'node:util';
import { median } from './children.ts';
import { type ServerUnderTest, startPostfix } from './postfix.ts';
import { type Load, measure, Sink, type Throughput } from './postfix-tools.ts';
import { relayTo, startSendoff } from './sendoff.ts';

/** As many messages as keep Postfix busy for some seconds. */
const loads: readonly Load[] = [
  { name: '4 KB, 50 sessions kept open', size: 4096, sessions: 50, keepOpen: true, messages: 5000 },
  { name: '4 KB, one message a connection', size: 4096, sessions: 50, keepOpen: false, messages: 3000 },
  { name: '100 KB, 50 sessions kept open', size: 102_400, sessions: 50, keepOpen: true, messages: 1500 },
];

/** Caches, compiled code and processes are there before the first round. */
const WARM_UP = { name: 'warm-up', size: 4096, sessions: 50, keepOpen: true, messages: 1000 };

interface Contender {
  readonly server: ServerUnderTest;
  readonly sink: Sink;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const scale = Number(values.scale);

async function contender(start: (sinkPort: number) => Promise<ServerUnderTest>): Promise<Contender> {
  const sink = await Sink.start();
  const server = await start(sink.port);
  await measure(server.port, sink, WARM_UP);
  return { server, sink };
}

async function compare(contenders: readonly Contender[], load: Load): Promise<void> {
  const results = new Map<string, Throughput[]>(contenders.map(({ server }) => [server.name, []]));
  for (let round = 0; round < rounds; round++) {
    // The one that begins changes with the round.
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const { server, sink } of order) {
      results.get(server.name)?.push(await measure(server.port, sink, load));
    }
  }
  report(load, results);
}

function report(load: Load, results: ReadonlyMap<string, readonly Throughput[]>): void {
  process.stdout.write(`\n${load.name} (${load.messages} messages, ${rounds} rounds)\n`);
  const medians = [...results].map(([name, measured]) => {
    const delivered = measured.map((one) => one.delivered);
    const accepted = median(measured.map((one) => one.accepted));
    const all = delivered.map((rate) => rate.toFixed(0)).join(', ');
    process.stdout.write(
      `  ${name.padEnd(8)} delivered ${median(delivered).toFixed(0).padStart(6)}/s  (${all})` +
        `  accepted ${accepted.toFixed(0)}/s\n`,
    );
    return median(delivered);
  });
  const [first, second] = medians;
  if (first !== undefined && second !== undefined) {
    process.stdout.write(`  ratio    ${(first / second).toFixed(2)}\n`);
  }
}

const contenders: Contender[] = [];
if (values.only !== 'postfix')
  contenders.push(await contender((sinkPort) => startSendoff({ policy: relayTo(sinkPort) })));
if (values.only !== 'sendoff') contenders.push(await contender(startPostfix));
for (const load of loads) {
  await compare(contenders, { ...load, messages: Math.round(load.messages * scale) });
}
for (const { server, sink } of contenders) {
  await server.stop();
  await sink.stop();
}
process.exit(0);
