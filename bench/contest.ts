// Servers side by side under one load: round after round, and the one that begins changes with the round.
// throughput.ts holds Sendoff against Postfix, policed.ts a policy against none.
// Never compares numbers of different runs: the ratio of one run is the result.
import { median } from './children.ts';
import type { ServerUnderTest } from './postfix.ts';
import { type Load, measure, Sink, type Throughput } from './postfix-tools.ts';

export interface Contender {
  readonly server: ServerUnderTest;
  readonly sink: Sink;
}

/** Caches, compiled code and processes are there before the first round. */
const WARM_UP = { name: 'warm-up', size: 4096, sessions: 50, keepOpen: true, messages: 1000 };

export async function contender(start: (sinkPort: number) => Promise<ServerUnderTest>): Promise<Contender> {
  const sink = await Sink.start();
  const server = await start(sink.port);
  await measure(server.port, sink, WARM_UP);
  return { server, sink };
}

export async function compare(contenders: readonly Contender[], load: Load, rounds: number): Promise<void> {
  const results = new Map<string, Throughput[]>(contenders.map(({ server }) => [server.name, []]));
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? contenders : contenders.toReversed();
    for (const { server, sink } of order) {
      results.get(server.name)?.push(await measure(server.port, sink, load));
    }
  }
  report(load, rounds, results);
}

export async function dismiss(contenders: readonly Contender[]): Promise<void> {
  for (const { server, sink } of contenders) {
    await server.stop();
    await sink.stop();
  }
}

function report(load: Load, rounds: number, results: ReadonlyMap<string, readonly Throughput[]>): void {
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
  const [ours = [], theirs = []] = [...results.values()];
  if (first !== undefined && second !== undefined) {
    // Of a round by itself: what the machine does besides changes from minute to minute.
    const paired = median(
      ours.map((one, round) => one.delivered / (theirs[round]?.delivered ?? one.delivered)),
    );
    process.stdout.write(
      `  ratio    ${(first / second).toFixed(2)}  (round by round ${paired.toFixed(2)})\n`,
    );
  }
}
