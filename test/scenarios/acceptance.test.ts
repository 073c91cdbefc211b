// What policy does with mail when it comes: other addresses, copies, refusals after DATA, holds, header edits.
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { signed, verifies } from '../harness/dkim.ts';
import { openLedger } from '../harness/ledger.ts';
import { networkForFile } from '../harness/network.ts';
import { type Sendoff, sendoffForFile } from '../harness/sendoff.ts';
import { SmtpClient } from '../harness/smtp-client.ts';
import type { Peer } from '../harness/smtp-peer.ts';
import { until } from '../harness/until.ts';

const network = networkForFile();
const daemon = sendoffForFile(() => ({ dns: network().dns, mxPort: network().mxPort, policy: {} }));

async function inForce(sendoff: Sendoff, policy: Readonly<Record<string, unknown>>): Promise<void> {
  expect(await sendoff.setPolicy(policy)).toEqual([]);
}

/** Who got mail there, and what. */
function inboxOf({ messages }: Peer): { to: string; text: string }[] {
  return messages.flatMap(({ to, data }) => to.map((one) => ({ to: one, text: data.toString('latin1') })));
}

const contentFrom = (from: string): string =>
  `From: ${from}\r\nX-Internal: a\r\n b\r\nSubject: x\r\n\r\nHello\r\n`;

test('one message becomes what the rules make of it, and the books count what it became', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  const [inside, archive] = [await network().receiver(), await network().receiver()];
  const at = (name: string): string => `${name}@${domain}`;
  await inForce(sendoff, {
    rewrite: {
      senders: { '*@office.lan': '*@home.test' },
      recipients: {
        [at('team')]: [at('ann'), `*@${inside.domain}`, at('desk')],
        [at('desk')]: [at('desk'), at('ann')],
      },
    },
    rules: [
      { when: { from: 'home.test' }, copy: `all@${archive.domain}` },
      {
        when: { to: domain, not: { to: at('bob') } },
        header: { add: { 'X-Relay': 'sendoff' }, remove: 'X-Internal' },
      },
      { when: { to: at('bob') }, copy: { to: `each@${archive.domain}`, per: 'recipient' }, tag: 'bob' },
      { when: { to: at('moved') }, redirect: at('ann') },
      { when: { to: at('kept') }, hold: 'look at it' },
      { name: 'gone', when: { to: at('gone') }, discard: true },
    ],
  });
  const given = ['team', 'bob', 'moved', 'kept', 'gone'].map(at);
  const content = contentFrom('"Ann, at <office>" <Ann@Office.LAN>');
  const id = await sendoff.send({ from: 'Ann@office.lan', to: given, content });
  await ledger.shows({ accepted: 8, delivered: 6, discarded: 1, queued: 1, held: 1 });
  const recipients = [
    ...['ann', 'desk', 'bob', 'kept', 'gone'].map(at).toSpliced(1, 0, `team@${inside.domain}`),
    `all@${archive.domain}`,
    `each@${archive.domain}`,
  ];
  expect(await sendoff.about(id, 'accepted')).toMatchObject([
    { from: 'Ann@home.test', to: recipients, given: { from: 'Ann@office.lan', to: given } },
  ]);
  expect(sendoff.soFar(id, 'held')).toMatchObject([{ to: at('kept'), reason: 'rule "rule 5": look at it' }]);
  expect(sendoff.soFar(id, 'discarded')).toMatchObject([{ to: at('gone'), rule: 'gone', route: null }]);

  const rewritten = content.replace('Ann@Office.LAN', 'Ann@home.test');
  const edited = rewritten.replace('X-Internal: a\r\n b\r\n', '');
  const here = inboxOf(peer);
  expect(here.map(({ to }) => to).sort()).toEqual(['ann', 'bob', 'desk'].map(at).sort());
  for (const { to, text } of here) {
    const isEdited = to !== at('bob');
    expect(text.startsWith(isEdited ? 'X-Relay: sendoff\r\nReceived:' : 'Received:'), to).toBe(true);
    expect(bodyless(text), to).toBe(bodyless(isEdited ? edited : rewritten));
  }
  for (const { parameters, size, from } of [...peer.messages, ...archive.peer.messages]) {
    expect(parameters).toContain(`SIZE=${size}`);
    expect(from).toBe('Ann@home.test');
  }
  expect(inboxOf(inside.peer)).toMatchObject([{ to: `team@${inside.domain}` }]);
  const copies = inboxOf(archive.peer).sort((a, b) => a.to.localeCompare(b.to));
  expect(copies.map(({ to }) => to)).toEqual([`all@${archive.domain}`, `each@${archive.domain}`]);
  expect(copies.map(({ text }) => /^X-Original-To: (.*)\r\n/.exec(text)?.[1])).toEqual([
    undefined,
    at('bob'),
  ]);

  expect(await sendoff.api(`/api/queue/${id}`)).toMatchObject({
    message: { recipients },
    entries: [{ to: [at('kept')], state: 'held', copy: false, header: { remove: ['x-internal'] } }],
  });

  // Once it is released, no rule holds it again, and its edit has outlived the hold.
  await sendoff.change('release', { id });
  await ledger.shows({ accepted: 8, delivered: 7, discarded: 1 });
  expect(inboxOf(peer).find(({ to }) => to === at('kept'))?.text).toMatch(/^X-Relay: sendoff\r\n/);
});

/** The client's own fields. */
function bodyless(text: string): string {
  return text.slice(text.indexOf('From:'), text.indexOf('Subject:'));
}

test('what the content decides is answered after DATA, for the whole message, with the reply of the rule', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  await inForce(sendoff, {
    rules: [
      {
        when: { to: `ann@${domain}`, header: { Precedence: 'bulk' } },
        reject: { code: 554, enhanced: '5.7.1', text: 'No bulk' },
      },
      { when: { header: { Subject: '*later*' } }, reject: { code: 451, enhanced: '4.7.1', text: 'Later' } },
      { when: { size: '>20KB' }, reject: { text: 'Too big for us' } },
      { when: { headerFrom: '*.evil.example' }, reject: { text: 'Not you' } },
    ],
  });
  const client = await SmtpClient.ready({ port: sendoff.port });
  const answer = async (to: readonly string[], content: string): Promise<string> => {
    const { code, lines } = await client.message(
      'a@home.test',
      to.map((name) => `${name}@${domain}`),
      `${content}\r\n\r\nHello\r\n`,
    );
    return `${code} ${lines.join(' ')}`;
  };
  const bulk = 'precedence:\r\n Bulk';
  expect(await answer(['ann', 'bob'], bulk)).toBe(`554 5.7.1 <ann@${domain}>: No bulk`);
  expect(await answer(['ann'], bulk)).toBe('554 5.7.1 No bulk');
  expect(await answer(['ann', 'bob'], 'Subject: now\r\nSubject: or later on')).toBe('451 4.7.1 Later');
  // For good goes before for now.
  expect(await answer(['bob', 'ann'], `Subject: later\r\n${bulk}`)).toBe('554 5.7.1 No bulk');
  expect(await answer(['bob'], `X: ${'x'.repeat(900)}\r\n`.repeat(25))).toBe('550 5.7.1 Too big for us');
  expect(await answer(['bob'], 'From: "x@good.example" <y@mail.evil.example>')).toBe('550 5.7.1 Not you');
  await ledger.shows({});
  expect(await answer(['bob'], bulk)).toMatch(/^250 2\.0\.0 queued/);
  await ledger.shows({ accepted: 1, delivered: 1 });
  expect(peer.messages).toHaveLength(1);
  const refused = await until('three refusals', () => {
    const lines = sendoff.events('rejected').filter(({ reply }) => String(reply).includes('No bulk'));
    return lines.length >= 3 ? lines : null;
  });
  const said = refused.map(({ phase, rule }) => ({ phase, rule }));
  expect(said).toEqual(Array(3).fill({ phase: 'data', rule: 'rule 1' }));
});

test('aliases and redirects are answered at RCPT by where they lead', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { domain } = await network().receiver();
  const at = (name: string): string => `${name}@${domain}`;
  const loop = { rewrite: { recipients: { [at('a')]: at('b'), [at('b')]: [at('x'), at('A')] } } };
  expect((await sendoff.setPolicy(loop)).join('\n')).toMatch(
    new RegExp(`a loop: ${at('a')} → ${at('b')} → ${at('A')}`),
  );
  await inForce(sendoff, {
    rewrite: { recipients: { [at('team')]: [at('ann'), at('left')] } },
    rules: [
      { when: { to: at('left') }, reject: { text: 'Has left' } },
      { when: { to: at('moved') }, redirect: at('left') },
      { when: { to: at('some'), header: { 'X-Some': '*' } }, route: 'direct' },
      { when: { to: at('some') }, reject: { text: 'Only some' } },
    ],
  });
  const client = await SmtpClient.ready({ port: sendoff.port });
  await client.command('MAIL FROM:<a@home.test>', 250);
  for (const name of ['team', 'moved', 'left']) {
    expect((await client.command(`RCPT TO:<${at(name)}>`, 550)).lines).toEqual(['5.7.1 Has left']);
  }
  await client.command('RSET', 250);
  const some = (content: string): Promise<{ code: number }> =>
    client.message('a@home.test', [at('some')], content);
  expect(await some('Subject: x\r\n\r\n')).toMatchObject({ code: 550, lines: ['5.7.1 Only some'] });
  expect((await some('X-Some: x\r\n\r\n')).code).toBe(250);
  await ledger.shows({ accepted: 1, delivered: 1 });
});

test('no sender hears what becomes of a copy', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const archive = await network().receiver({ script: { rcpt: () => '450 4.2.2 Full' } });
  const gone = await network().receiver({ script: { rcpt: () => '550 5.1.1 Unknown' } });
  const { domain } = await network().receiver();
  const sender = network().sender();
  await inForce(sendoff, {
    retry: { default: { after: '1h', expire: '2h', warn: ['10m'] } },
    rules: [{ when: { from: sender }, copy: `all@${archive.domain}` }],
  });
  const id = await sendoff.send({ from: sender, to: [`ann@${domain}`, `no@${gone.domain}`] });
  // The report about the unknown recipient, and none of the copy.
  await sendoff.about(id, 'deferred');
  const report = await network().report(sender);
  expect(report.recipients.map((one) => one.get('final-recipient'))).toEqual([`rfc822; no@${gone.domain}`]);
  await ledger.shows({ accepted: 4, delivered: 2, bounced: 1, queued: 1 });
  // Past the warning, then past everything.
  await sendoff.advance(20 * 60_000);
  await sendoff.advance(9 * 3_600_000);
  await ledger.shows({ accepted: 4, delivered: 2, bounced: 1, expired: 1 });
  expect(await sendoff.about(id, 'expired')).toMatchObject([{ to: `all@${archive.domain}`, dsn: null }]);
  expect(network().home.messages.filter(({ to }) => to.includes(sender))).toHaveLength(1);
});

test('an edit reaches content of any size, and SIZE is exact', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  await inForce(sendoff, {
    rules: [{ when: { to: `cut@${domain}` }, header: { add: { 'X-Cut': 'yes' }, remove: 'X-Long' } }],
  });
  const long = `X-Long: ${'x'.repeat(900)}\r\n${' y'.repeat(400)}\r\n`;
  const content = `Subject: big\r\n${long.repeat(400)}To: x@example.org\r\n\r\n${'Hello \xe4\r\n'.repeat(50_000)}`;
  await sendoff.send({
    from: 'a@home.test',
    to: [`whole@${domain}`, `cut@${domain}`],
    content: Buffer.from(content, 'latin1'),
  });
  await ledger.shows({ accepted: 2, delivered: 2 });
  for (const { to, data, size, parameters } of peer.messages) {
    const isCut = to[0] === `cut@${domain}`;
    const text = data.toString('latin1');
    expect(parameters).toBe(`SIZE=${size} BODY=8BITMIME`);
    expect(text.startsWith(isCut ? 'X-Cut: yes\r\nReceived' : 'Received')).toBe(true);
    const [header = '', ours] = text
      .slice(text.indexOf('Subject:'))
      .split(/\r\nDate: .*\r\nMessage-ID: .*(?=\r\n)/);
    const expected = isCut ? content.replaceAll(long, '') : content;
    expect(`${header}${ours}` === expected, `${to}: ${text.length} of ${expected.length}`).toBe(true);
  }
});

test('what an operator hands in goes the same way', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  await inForce(sendoff, {
    rewrite: {
      senders: { 'office.lan': '*@home.test' },
      recipients: { [`team@${domain}`]: [`ann@${domain}`, `bob@${domain}`] },
    },
    rules: [{ name: 'no spam', when: { header: { Subject: '*spam*' } }, reject: { text: 'No spam' } }],
  });
  const send = async (content: string): Promise<unknown> => {
    const query = new URLSearchParams({ from: 'x@office.lan', to: `team@${domain}` });
    const headers = { 'content-type': 'message/rfc822' };
    return sendoff.api(`/api/send?${query}`, { method: 'POST', headers, body: content });
  };
  const from = 'From: X <x@office.lan>\n';
  expect(JSON.stringify(await send(`${from}Subject: Spam\n\nHello\n`))).toContain('No spam');
  await send(`${from}Subject: x\n\nHello\n`);
  await ledger.shows({ accepted: 2, delivered: 2 });
  expect(inboxOf(peer).map(({ to }) => to)).toEqual([`ann@${domain}`, `bob@${domain}`]);
  expect(peer.messages[0]?.data.toString()).toMatch(
    /^From: X <x@home.test>\r\nSubject: x\r\nDate: .*\r\nMessage-ID: .*\r\n\r\nHello\r\n$/,
  );
});

test('the signature of a client holds, unless a rule changes what it covers', async () => {
  const sendoff = daemon();
  const ledger = await openLedger(sendoff);
  const { peer, domain } = await network().receiver();
  await inForce(sendoff, {
    rewrite: { senders: { 'boss@office.lan': 'boss@home.test' } },
    rules: [
      { when: { to: `added@${domain}` }, header: { add: { 'X-Relay': 'sendoff' }, remove: 'X-Unsigned' } },
      {
        when: { to: `changed@${domain}` },
        header: { add: { Subject: 'Changed' }, remove: ['Subject'] },
      },
    ],
  });
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const content = (from: string): string =>
    `From: ${from}\r\nSubject: a\r\n  folded  one\r\nX-Unsigned: x\r\n\r\nHello,  \r\n.dot\r\n\r\n`;
  // Date and Message-ID are covered and not there: it must stay so.
  const names = ['From', 'Subject', 'Date', 'Message-ID', 'From'];
  const send = (from: string, to: readonly string[]): Promise<string> => {
    const wire = signed(content(from), names, privateKey).replace(/\r\n\./g, '\r\n..');
    return sendoff.send({ from: 'a@home.test', to: to.map((name) => `${name}@${domain}`), content: wire });
  };
  await send('ann@office.lan', ['plain', 'added', 'changed']);
  await ledger.shows({ accepted: 3, delivered: 3 });
  await send('boss@office.lan', ['rewritten']);
  await ledger.shows({ accepted: 4, delivered: 4 });
  const holds = peer.messages.map(({ to, data }) => `${to}: ${verifies(data.toString('latin1'), publicKey)}`);
  expect(holds.sort()).toEqual(
    ['added: true', 'changed: false', 'plain: true', 'rewritten: false'].map((line) =>
      line.replace(':', `@${domain}:`),
    ),
  );
  for (const { data } of peer.messages) {
    const text = data.toString('latin1');
    expect(text).not.toMatch(/^(?:Date|Message-ID):/im);
    expect(verifies(text.replace('Hello', 'Hallo'), publicKey)).toBe(false);
    expect(verifies(text.replace('DKIM', 'Date: now\r\nDKIM'), publicKey)).toBe(false);
  }
});

test('the verifier of this file takes the example of RFC 8463, and nothing but it', () => {
  const key = createPublicKey({
    key: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
    format: 'jwk',
  });
  expect(verifies(EXAMPLE, key)).toBe(true);
  for (const [text, other] of [
    ['hungry', 'angry'],
    ['dinner', 'lunch'],
    ['To:', 'From: x\r\nTo:'],
    ['Date:', 'X-Date:'],
  ] as const) {
    expect(verifies(EXAMPLE.replace(text, other), key), other).toBe(false);
  }
});

/** RFC 8463 appendix A. */
const EXAMPLE = [
  'DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;',
  ' d=football.example.com; i=@football.example.com;',
  ' q=dns/txt; s=brisbane; t=1528637909; h=from : to :',
  ' subject : date : message-id : from : subject : date;',
  ' bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;',
  ' b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus',
  ' Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==',
  'From: Joe SixPack <joe@football.example.com>',
  'To: Suzie Q <suzie@shopping.example.net>',
  'Subject: Is dinner ready?',
  'Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)',
  'Message-ID: <20030712040037.46341.5F8J@football.example.com>',
  '',
  'Hi.',
  '',
  'We lost the game.  Are you hungry yet?',
  '',
  'Joe.',
  '',
].join('\r\n');
