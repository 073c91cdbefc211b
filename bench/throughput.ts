// Messages a second, accepted to delivered: Sendoff and Postfix in turn, on one machine in one run.
// `npm run bench`, or `node bench/throughput.ts [--rounds 3] [--scale 1] [--only sendoff|postfix]`.
// Never compares numbers of different runs: the ratio of one run is the result.
import { parseArgs } from 'node:util';
import { type Contender, compare, contender, dismiss } from './contest.ts';
import { startPostfix } from './postfix.ts';
import type { Load } from './postfix-tools.ts';
import { relayTo, startSendoff } from './sendoff.ts';

/** As many messages as keep Postfix busy for some seconds. */
const loads: readonly Load[] = [
  { name: '4 KB, 50 sessions kept open', size: 4096, sessions: 50, keepOpen: true, messages: 5000 },
  { name: '4 KB, one message a connection', size: 4096, sessions: 50, keepOpen: false, messages: 3000 },
  { name: '100 KB, 50 sessions kept open', size: 102_400, sessions: 50, keepOpen: true, messages: 1500 },
];

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    scale: { type: 'string', default: '1' },
    only: { type: 'string' },
  },
});
const scale = Number(values.scale);

const contenders: Contender[] = [];
if (values.only !== 'postfix')
  contenders.push(await contender((sinkPort) => startSendoff({ policy: relayTo(sinkPort) })));
if (values.only !== 'sendoff') contenders.push(await contender(startPostfix));
for (const load of loads) {
  await compare(contenders, { ...load, messages: Math.round(load.messages * scale) }, Number(values.rounds));
}
await dismiss(contenders);
process.exit(0);
