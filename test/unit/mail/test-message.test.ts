// The test message: a proper message in ASCII.
// Runs buildTestMessage.
// Never sends it.
import { expect, test } from 'vitest';
import { buildTestMessage } from '../../../src/mail/test-message.ts';

const now = Date.UTC(2026, 10, 24, 10, 5, 7);

function build(more: object = {}): string {
  return buildTestMessage({
    from: 'ann@example.net',
    to: ['bob@example.org'],
    hostname: 'relay.example.net',
    now,
    id: '1aqs0d3g80a1',
    ...more,
  }).toString('latin1');
}

test('has the header that a message needs, each field once', () => {
  const text = build();
  expect(text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n')).toEqual([
    'From: <ann@example.net>',
    'To: <bob@example.org>',
    'Subject: Test message from relay.example.net',
    'Date: Tue, 24 Nov 2026 10:05:07 +0000',
    'Message-ID: <test.1aqs0d3g80a1@relay.example.net>',
    'Auto-Submitted: auto-generated',
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
  ]);
  expect(text.endsWith('\r\n')).toBe(true);
});

test('names the route that was asked for, and stays within the line limits with many recipients', () => {
  const to = Array.from({ length: 200 }, (_, i) => `recipient-number-${i}@example.org`);
  const text = build({ to, route: 'provider' });
  expect(text).toContain('the route provider');
  for (const line of text.split('\r\n')) expect(line.length).toBeLessThanOrEqual(78);
  for (const address of to) expect(text).toContain(`<${address}>`);
});

test('the null sender still has a From', () => {
  expect(build({ from: '' })).toContain('From: <MAILER-DAEMON@relay.example.net>\r\n');
});
