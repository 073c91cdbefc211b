// softBounce through the whole daemon: what would bounce waits, alarms once, and goes its way afterwards.
import { expect, test } from 'vitest';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { startSendoff } from '../harness/sendoff.ts';

const network = networkForFile();

const policy = (routes: object) => ({
  routes: { direct: { via: 'mx' }, careful: { via: 'mx', softBounce: false }, ...routes },
  retry: { default: { after: ['10m'], expire: '1h', warn: [] } },
  rules: [
    { when: { from: 'careful@*' }, route: 'careful' },
    { when: { from: 'spare@*' }, route: ['direct', 'spare'], fallback: { on: 'blocked' } },
    { when: 'any', route: 'direct' },
  ],
});

test('what is refused for good waits and alarms once for its route, unless the route does bounce', async () => {
  const { peer, domain } = await network().receiver({
    script: { rcpt: ({ line }) => (line.includes('ann') ? null : '550 5.7.1 Blocked by our list') },
  });
  const spare = await network().peer({ port: 0 });
  const routes = { spare: { via: 'smarthost', hosts: [`${spare.address}:${spare.port}`], tls: 'none' } };
  const sendoff = await startSendoff({
    dns: network().dns,
    mxPort: network().mxPort,
    policy: policy(routes),
    settings: { delivery: { softBounce: true, port: network().mxPort, allowNetworks: ['127.0.0.0/8'] } },
  });
  const ledger = await openLedger(sendoff);
  const nowhere = network().name();
  const bob = await sendoff.send({ from: 'a@home.test', to: `bob@${domain}` });
  const lost = await sendoff.send({ from: 'a@home.test', to: `ann@${nowhere}` });
  const [first] = await sendoff.about(bob, 'deferred');
  const [unknown] = await sendoff.about(lost, 'deferred');
  expect(first).toMatchObject({ status: '5.7.1', class: 'blocked', route: 'direct' });
  expect(unknown).toMatchObject({ status: '5.1.2', class: 'dns' });
  expect(sendoff.events('alarm')).toMatchObject([
    {
      alarm: 'soft-bounce',
      about: 'direct',
      text: expect.stringContaining('sendoff queue list --route direct'),
    },
  ]);
  await ledger.shows({ accepted: 2, queued: 2 });

  await sendoff.send({ from: 'spare@home.test', to: `bob@${domain}` });
  await spare.received(1);
  const careful = await sendoff.send({ from: 'careful@home.test', to: `bob@${domain}` });
  await sendoff.about(careful, 'bounced');

  peer.setScript({});
  await sendoff.advanceTo(first?.next);
  await sendoff.advanceTo(unknown?.next);
  await sendoff.about(bob, 'delivered');
  await sendoff.about(lost, 'deferred', 2);
  expect(await sendoff.setPolicy(policy({ ...routes, direct: { via: 'mx', softBounce: false } }))).toEqual(
    [],
  );
  await sendoff.advanceTo(sendoff.soFar(lost, 'deferred').at(-1)?.next);
  const [end] = await sendoff.about(lost, 'bounced');
  expect(end).toMatchObject({ status: '5.1.2' });
  expect(sendoff.events('alarm')).toHaveLength(1);
});
