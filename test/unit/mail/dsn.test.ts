// Delivery reports: read back as programs and people read them.
// Runs buildDsn and the harness's own parser.
// Never compares whole reports: wording may change, what it says may not.
import { expect, test } from 'vitest';
import type { Failure } from '../../../src/delivery/failure.ts';
import { buildDsn } from '../../../src/mail/dsn.ts';
import type { DsnInput, DsnRecipient } from '../../../src/mail/dsn-input.ts';
import { RETURN_LIMIT } from '../../../src/mail/dsn-original.ts';
import { type ParsedDsn, parseDsn } from '../../harness/dsn.ts';

const HOUR = 3_600_000;
const arrived = Date.UTC(2026, 10, 24, 10);

const unknownUser: Failure = {
  scope: 'recipient',
  permanent: true,
  class: 'unknown-user',
  status: '5.1.1',
  phase: 'rcpt',
  text: 'mx.example.org answered 550 to RCPT',
  reply: '550-5.1.1 No such user here.\n550 5.1.1 See https://example.org/help',
  host: 'mx.example.org',
  ip: '192.0.2.25',
};

const unreachable: Failure = {
  scope: 'destination',
  permanent: false,
  class: 'unreachable',
  status: '4.4.1',
  phase: 'connect',
  text: 'no answer from mx.example.com [192.0.2.4] within 30 s',
  host: 'mx.example.com',
};

function recipient(address: string, failure: Failure, more: Partial<DsnRecipient> = {}): DsnRecipient {
  return { address, failure, attempts: 1, lastAttempt: arrived + HOUR, ...more };
}

const original = 'Received: from a\r\nMessage-ID: <original@example.net>\r\nSubject: Hi\r\n\r\nHello.\r\n';

function input(more: Partial<DsnInput> = {}): DsnInput {
  return {
    kind: 'failed',
    id: '1aqs0d3g80a2',
    hostname: 'relay.example.net',
    now: arrived + HOUR,
    to: 'ann@example.net',
    from: 'ann@example.net',
    originalId: '1aqs0d3g80a1',
    arrived,
    recipients: [recipient('bob@example.org', unknownUser)],
    original: { start: Buffer.from(original), whole: true },
    ...more,
  };
}

/** What must hold for every report, then its parts. */
function report(more: Partial<DsnInput> = {}): ParsedDsn {
  const { content, eightBit } = buildDsn(input(more));
  const text = content.toString('latin1');
  expect(eightBit).toBe(false);
  expect(text).toMatch(/^[\t\r\n -~]*$/);
  expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
  expect(Math.max(...text.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(998);
  return parseDsn(content);
}

test('a refused recipient: header, groups and the message given back', () => {
  const { headers, perMessage, recipients, returned } = report();
  expect(Object.fromEntries(headers)).toMatchObject({
    from: 'Mail Delivery System <MAILER-DAEMON@relay.example.net>',
    to: '<ann@example.net>',
    date: 'Tue, 24 Nov 2026 11:00:00 +0000',
    'message-id': '<1aqs0d3g80a2@relay.example.net>',
    'in-reply-to': '<original@example.net>',
    'auto-submitted': 'auto-replied',
    'mime-version': '1.0',
  });
  expect(Object.fromEntries(perMessage)).toEqual({
    'reporting-mta': 'dns; relay.example.net',
    'x-sendoff-queue-id': '1aqs0d3g80a1',
    'arrival-date': 'Tue, 24 Nov 2026 10:00:00 +0000',
  });
  expect(recipients.map((fields) => Object.fromEntries(fields))).toEqual([
    {
      'final-recipient': 'rfc822; bob@example.org',
      action: 'failed',
      status: '5.1.1',
      'remote-mta': 'dns; mx.example.org',
      'diagnostic-code': 'smtp; 550-5.1.1 No such user here. 550 5.1.1 See https://example.org/help',
      'last-attempt-date': 'Tue, 24 Nov 2026 11:00:00 +0000',
    },
  ]);
  expect(returned).toEqual({ type: 'message/rfc822', content: original });
});

test('people read what happened, what the server said, and what to do', () => {
  const { human } = report();
  expect(human).toContain('<bob@example.org>');
  expect(human).toContain('does not know this address');
  expect(human).toContain(
    'mx.example.org [192.0.2.25] answered:\n    550-5.1.1 No such user here.\n    550 5.1.1 See',
  );
  expect(human).toContain('check the address');
  expect(human).toContain('1aqs0d3g80a1');
  expect(human).not.toContain('Given up');
});

test('mail given up after temporary failures is failed with a status of class 4', () => {
  const { recipients, human } = report({
    now: arrived + 120 * HOUR,
    recipients: [recipient('bob@example.com', unreachable, { attempts: 36 })],
  });
  expect(recipients[0]?.get('action')).toBe('failed');
  expect(recipients[0]?.get('status')).toBe('4.4.1');
  expect(recipients[0]?.get('diagnostic-code')).toBe(`x-sendoff; ${unreachable.text}`);
  // No peer said it, so none is named as having said it (RFC 3464 §2.3.5).
  expect(recipients[0]?.has('remote-mta')).toBe(false);
  expect(human).toContain('Given up after 5 days and 36 attempts.');
});

test('a warning says until when, that nothing need be done, and gives back the header only', () => {
  const { headers, recipients, human, returned } = report({
    kind: 'delayed',
    recipients: [recipient('bob@example.com', unreachable, { willRetryUntil: arrived + 120 * HOUR })],
  });
  expect(headers.get('subject')).toMatch(/^Delayed/);
  expect(recipients[0]?.get('action')).toBe('delayed');
  expect(recipients[0]?.get('will-retry-until')).toBe('Sun, 29 Nov 2026 10:00:00 +0000');
  expect(human).toContain('NOTHING THAT YOU NEED TO DO');
  expect(human).toContain('tried until Sun, 29 Nov 2026 10:00:00 +0000');
  expect(returned.type).toBe('text/rfc822-headers');
  expect(returned.content).not.toContain('Hello.');
});

test.each([
  ['failed', true, '4.2.1', '5.2.1'],
  ['failed', false, '5.2.2', '4.2.2'],
  ['delayed', true, '5.1.1', '4.1.1'],
  ['failed', true, '', '5.0.0'],
  ['failed', true, '5.1.1\r\nAction: delivered', '5.0.0'],
] as const)('%s, permanent %s, status %j is reported as %s', (kind, permanent, status, expected) => {
  const { recipients } = report({
    kind,
    recipients: [recipient('b@c.example', { ...unknownUser, permanent, status })],
  });
  expect(recipients[0]?.get('status')).toBe(expected);
});

test('one report covers many recipients, each in its own group', () => {
  const many = Array.from({ length: 300 }, (_, i) =>
    recipient(`r${i}@example.org`, i % 2 ? unknownUser : unreachable),
  );
  const { recipients, headers, human } = report({ recipients: many });
  expect(recipients.map((fields) => fields.get('final-recipient'))).toEqual(
    many.map(({ address }) => `rfc822; ${address}`),
  );
  expect(headers.get('subject')).toBe('Not delivered: your mail to r0@example.org and 299 others');
  for (const { address } of many) expect(human).toContain(`<${address}>`);
});

test('what a peer says cannot add fields, groups or parts, and stays readable for people', () => {
  const reply =
    '550 Grüße\r\n\r\nFinal-Recipient: rfc822; evil@example.org\r\n--=_1aqs0d3g80a2--\r\n\x1b[31m\0\x07';
  const { recipients, human } = report({
    recipients: [recipient('b@c.example', { ...unknownUser, reply, host: 'a\r\nX: y' })],
  });
  expect(recipients).toHaveLength(1);
  expect(recipients[0]?.get('final-recipient')).toBe('rfc822; b@c.example');
  expect(recipients[0]?.get('diagnostic-code')).toMatch(/^smtp; 550 Gr\?\?e Final-Recipient/);
  expect(recipients[0]?.get('remote-mta')).toBe('dns; a X: y');
  expect(human).toContain('550 Grüße');
  expect(human.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
});

test('a reply of any length is cut, one endless word is folded', () => {
  const { recipients } = report({
    recipients: [recipient('b@c.example', { ...unknownUser, reply: `550 ${'x'.repeat(1_000_000)}` })],
  });
  expect(recipients[0]?.get('diagnostic-code')?.length).toBeLessThan(2_100);
});

test('a bounced report goes to the postmaster and is called what it is', () => {
  const { headers, human } = report({ from: '', to: 'ops@example.net' });
  expect(headers.get('to')).toBe('<ops@example.net>');
  expect(headers.get('subject')).toContain('report');
  expect(human).toContain('A delivery report');
  expect(human).not.toMatch(/your message/i);
});

test('what stopped here is not blamed on the receiving server', () => {
  const { phase: _, reply: __, ...rest } = unknownUser;
  const { human, recipients } = report({
    recipients: [
      recipient('b@c.example', {
        ...rest,
        phase: 'local',
        status: '5.6.3',
        text: '8-bit content, but no 8BITMIME',
      }),
    ],
  });
  expect(human).toContain('This mail system did not send the message on.');
  expect(human).toContain('Reason: 8-bit content, but no 8BITMIME');
  expect(recipients[0]?.get('diagnostic-code')).toBe('x-sendoff; 8-bit content, but no 8BITMIME');
});

test('an attempt that never was has no date', () => {
  const { lastAttempt: _, ...never } = recipient('b@c.example', unreachable, { attempts: 0 });
  expect(report({ recipients: [never] }).recipients[0]?.has('last-attempt-date')).toBe(false);
});

test.each([
  ['8-bit body', 'Subject: Hi\r\n\r\nGrüße\r\n', 'Subject: Hi\r\n'],
  ['8-bit header', 'Subject: Grüße\r\n\r\nHi\r\n', 'Subject: Grüße\r\n'],
  ['NUL', 'Subject: Hi\r\n\r\na\0b\r\n', 'Subject: Hi\r\n'],
  ['overlong line in the body', `Subject: Hi\r\n\r\n${'x'.repeat(999)}\r\n`, 'Subject: Hi\r\n'],
  [
    'overlong line in the header',
    `Subject: ${'x'.repeat(1_500)}\r\n\r\nHi\r\n`,
    `Subject: ${'x'.repeat(1_500)}\r\n`,
  ],
])('%s: only the header goes back, in 7 bits', (_, message, header) => {
  const { returned } = report({ original: { start: Buffer.from(message), whole: true } });
  expect(returned.type).toBe('text/rfc822-headers');
  expect(returned.content.replace(/\r\n$/, '')).toBe(header.replace(/\r\n$/, ''));
});

test('a line of 998 octets still goes back whole', () => {
  const message = `Subject: Hi\r\n\r\n${'x'.repeat(998)}\r\n`;
  expect(report({ original: { start: Buffer.from(message), whole: true } }).returned.content).toBe(message);
});

test('of a large message the header goes back, of a large header whole lines', () => {
  const field = `X-Filler: ${'f'.repeat(60)}\r\n`;
  const start = Buffer.from(field.repeat(1_000)).subarray(0, RETURN_LIMIT);
  const { returned } = report({ original: { start, whole: false } });
  expect(returned.type).toBe('text/rfc822-headers');
  expect(returned.content.replaceAll(field, '')).toBe('');
  const large = Buffer.from(`Subject: Hi\r\n\r\n${'body\r\n'.repeat(20_000)}`).subarray(0, RETURN_LIMIT);
  expect(report({ original: { start: large, whole: false } }).returned.content).toBe('Subject: Hi\r\n');
});
