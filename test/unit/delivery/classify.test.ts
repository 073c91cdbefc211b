import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { classify, enhancedStatus, judge } from '../../../src/delivery/classify.ts';
import type { Phase } from '../../../src/delivery/failure.ts';
import { parseReply, type Reply } from '../../../src/delivery/reply.ts';

interface Sample {
  readonly expected: string;
  readonly phase: Phase;
  readonly text: string;
}

const samples: Sample[] = readFileSync(new URL('../../data/replies.tsv', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [expected = '', phase = '', text = ''] = line.split('\t');
    return { expected, phase: phase as Phase, text: text.replaceAll('\\n', '\n') };
  });

function reply(text: string): Reply {
  const parsed = parseReply(text);
  if (!parsed) throw new Error(`no reply: ${text}`);
  return parsed;
}

/** Scope, permanence and status, as one word each. */
function judged(text: string, phase: Phase, smarthost = false): string {
  const failure = judge(reply(text), phase, smarthost);
  const marks = [failure.permanent ? 'permanent' : 'temporary', failure.ours ? 'ours' : ''];
  return [failure.scope, failure.class, failure.status, ...marks].join(' ').trim();
}

describe('classes', () => {
  test.each(samples)('$expected at $phase: $text', ({ expected, phase, text }) => {
    expect(classify(reply(text), phase)).toBe(expected);
  });
});

describe('how far and how long', () => {
  test.each([
    ['550 5.1.1 No such user', 'rcpt', 'recipient unknown-user 5.1.1 permanent'],
    ['450 4.2.0 Greylisted', 'rcpt', 'recipient greylisted 4.2.0 temporary'],
    ['550 5.7.1 Spam', 'final-dot', 'message content 5.7.1 permanent'],
    ['550 5.1.8 Bad sender', 'mail', 'message policy 5.1.8 permanent'],
    ['451 4.3.0 Internal error', 'final-dot', 'message unreachable 4.3.0 temporary'],
    ['554 No', 'data', 'message unknown 5.0.0 permanent'],
  ] as const)('%s at %s is of the %s', (text, phase, expected) => {
    expect(judged(text, phase)).toBe(expected);
  });

  test.each([
    ['421 4.3.2 Going down', 'rcpt', 'host unreachable 4.3.2 temporary'],
    ['421 4.3.0 Upstream error', 'final-dot', 'host unreachable 4.3.0 temporary'],
    ['554 5.7.1 No', 'greeting', 'host blocked 4.7.1 temporary'],
    ['550 Rejected', 'ehlo', 'host blocked 4.0.0 temporary'],
    ['451 4.7.650 Rate limited due to IP reputation', 'mail', 'host blocked 4.7.650 temporary'],
    ['450 4.3.2 Busy, try later', 'mail', 'host throttled 4.3.2 temporary'],
    ['530 5.7.0 Authentication required', 'rcpt', 'host auth 4.7.0 temporary'],
    ['538 5.7.11 Encryption required', 'mail', 'host tls 4.7.11 temporary'],
  ] as const)('%s at %s is the host’s', (text, phase, expected) => {
    expect(judged(text, phase)).toBe(expected);
  });

  test('a full mailbox is temporary whatever the code', () => {
    expect(judged('552 5.2.2 Mailbox full', 'rcpt')).toBe('recipient mailbox-full 4.2.2 temporary');
  });

  test('521 and 556 are final, block lists at the greeting are not (RFC 7504)', () => {
    expect(judged('521 We take no mail', 'greeting')).toBe('host unreachable 5.0.0 permanent');
    expect(judged('521 5.7.1 Blocked using bl.example', 'greeting')).toBe('host blocked 4.7.1 temporary');
    expect(judged('556 5.1.10 Domain takes no mail', 'rcpt')).toBe(
      'destination unknown-user 5.1.10 permanent',
    );
  });

  test('a smarthost that does not know us refuses our login, not the mail', () => {
    expect(judged('554 5.7.1 Relay access denied', 'rcpt', true)).toBe('host auth 4.7.1 temporary ours');
    expect(judged('535 5.7.8 Bad password', 'auth', true)).toBe('host auth 4.7.8 temporary ours');
    expect(judged('554 5.7.1 Relay access denied', 'rcpt', false)).toBe('recipient policy 5.7.1 permanent');
    expect(judged('550 Please authenticate first', 'mail', true)).toBe('host auth 4.0.0 temporary ours');
    expect(judged('550 5.1.1 No such user', 'rcpt', true)).toBe('recipient unknown-user 5.1.1 permanent');
  });

  test('a smarthost that has blocked us defers until it does so for the content', () => {
    const blocked = '554 5.7.1 Client host rejected: blocked using bl.example';
    expect(judged(blocked, 'rcpt', true)).toBe('host blocked 4.7.1 temporary');
    expect(judged(blocked, 'rcpt', false)).toBe('recipient blocked 5.7.1 permanent');
    expect(judged(blocked, 'final-dot', true)).toBe('message blocked 5.7.1 permanent');
  });

  test('a reply of any length is judged quickly and kept short', () => {
    const startedAt = performance.now();
    const failure = judge(reply(`550 ${'user mailbox sender '.repeat(3_000)}`), 'rcpt', false);
    expect(performance.now() - startedAt).toBeLessThan(250);
    expect(failure.reply).toHaveLength(2_000);
  });

  test('an answer that fits nowhere is a protocol error, and temporary', () => {
    expect(judged('250 Ok', 'data')).toBe('host protocol 4.5.0 temporary');
  });
});

describe('enhanced status', () => {
  test.each([
    ['550 5.1.1 No', '5.1.1'],
    ['550-5.7.26 a\n550 5.7.26 b', '5.7.26'],
    ['550 No such user (#5.1.1)', null],
    ['421 4.16.55.1 is an address', null],
    ['250', null],
  ])('of %s', (text, expected) => {
    expect(enhancedStatus(reply(text))).toBe(expected);
  });

  test('the first digit of the code wins over the one of the status', () => {
    expect(judged('452 5.2.2 Full', 'rcpt')).toBe('recipient mailbox-full 4.2.2 temporary');
  });

  test('a status at the end counts where none stands at the beginning', () => {
    expect(judged('550 sorry, no mailbox here by that name (#5.1.1)', 'rcpt')).toContain(' 5.1.1 ');
  });
});
