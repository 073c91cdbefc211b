// The recipe that pauses a provider: a daemon has the page's policy, the command line runs the page's commands.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { run } from '../../src/cli/program.ts';
import { authority } from '../harness/certificates.ts';
import { temporaryFolder } from '../harness/folder.ts';
import { networkForFile } from '../harness/network.ts';
import { recipeNamed } from '../harness/policy-page.ts';
import { type Sendoff, startSendoff } from '../harness/sendoff.ts';
import { testTerminal } from '../harness/terminal.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const { cert } = await authority();
const network = networkForFile();
const { yaml, commands } = recipeNamed('Pause a provider for two hours');
const [suspend = '', list = '', resume = ''] = commands;

/** The page's policy, but for where the provider is; `${env:…}` has its value. */
async function startWithRecipe() {
  const login = { user: 'relay@example.net', password: 'open sesame' };
  const provider = await network().peer({ port: 0, tls: { mode: 'starttls' }, auth: login });
  const office = await network().peer({ hostname: 'mx1.office.example' });
  network().domain('office.example', office.address);
  const policy = parse(
    yaml
      .replace('smtp.provider.example:587', `${provider.address}:${provider.port}`)
      .replace(/\$\{env:PROVIDER_PASSWORD\}/, login.password),
  );
  const { dns, mxPort } = network();
  const sendoff = await startSendoff({ dns, mxPort, policy, authority: cert });
  return { sendoff, provider, office };
}

/** Types a line of the page; resolves with what is printed. */
async function type(sendoff: Sendoff, line: string): Promise<string> {
  const [name, ...words] = [...line.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
  expect(name).toBe('sendoff');
  const config = join(temporaryFolder(), 'sendoff.yaml');
  writeFileSync(config, JSON.stringify({ hostname: 'relay.example.net', admin: { port: sendoff.admin } }));
  const terminal = testTerminal({ now: new Date(sendoff.now).toISOString() });
  expect(await run([...words, '--config', config], terminal), terminal.printed.err).toBe(0);
  return terminal.printed.out;
}

/** Lets the daemon's sweeps pass: whatever it would try by now is on its way. */
async function sweeps(sendoff: Sendoff): Promise<void> {
  for (let n = 0; n < 3; n++) await sendoff.advance(1000);
  await sendoff.books();
}

test('mail for a paused provider waits two hours, or until resume; other mail goes on', async () => {
  const { sendoff, provider, office } = await startWithRecipe();
  const from = network().sender();
  const send = (to: string) => sendoff.send({ from, to });

  const said = await type(sendoff, suspend);
  expect(said).toMatch(/^suspended: route provider, until .* \(in 2h\): their maintenance\n$/);
  const waiting = await send('bob@example.org');
  await sendoff.about(await send('bob@office.example'), 'delivered');
  await sendoff.advance(2 * HOUR - 2 * MINUTE);
  await sweeps(sendoff);
  const listed = await type(sendoff, list);
  expect(listed.split('\n')[0]).toContain('suspended: route provider');
  expect(listed).toContain(waiting);
  expect(provider.connectionsSeen).toBe(0);
  expect(sendoff.soFar(waiting, 'attempt')).toEqual([]);
  await sendoff.advance(3 * MINUTE);
  expect(await sendoff.about(waiting, 'delivered')).toMatchObject([{ route: 'provider' }]);

  const seen = provider.messages.length;
  await type(sendoff, suspend);
  const again = await send('eve@example.org');
  await sweeps(sendoff);
  expect(provider.messages).toHaveLength(seen);
  expect(await type(sendoff, resume)).toBe('1 suspension ended\n');
  await sendoff.about(again, 'delivered');
  expect(office.messages).toHaveLength(1);
  expect(await sendoff.settled()).toMatchObject({ accepted: 3, delivered: 3 });
});
