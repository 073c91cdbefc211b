import { describe, expect, it } from 'vitest';
import { mailDate, type ReceivedOptions, receivedField } from '../../../src/mail/received.ts';

const options: ReceivedOptions = {
  hostname: 'relay.example',
  id: '01abc',
  at: Date.UTC(2026, 10, 2, 1, 39, 53, 999),
  helo: 'client.example',
  address: '192.0.2.1',
  protocol: 'ESMTP',
  tls: null,
  recipients: ['a@b.example'],
};

describe('Received', () => {
  it('says who, how and when, folded', () => {
    expect(receivedField(options).toString()).toBe(
      'Received: from client.example ([192.0.2.1])\r\n' +
        '\tby relay.example (Sendoff) with ESMTP id 01abc\r\n' +
        '\tfor <a@b.example>;\r\n' +
        '\tMon, 02 Nov 2026 01:39:53 +0000\r\n',
    );
  });

  it('names no recipient when there are several', () => {
    const field = receivedField({ ...options, recipients: ['a@b.example', 'c@b.example'] }).toString();
    expect(field).not.toContain('@');
    expect(field).toContain('id 01abc;\r\n');
  });

  it('writes IPv6 as a literal and names TLS', () => {
    const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384' };
    const field = receivedField({ ...options, address: '2001:db8::1', protocol: 'ESMTPS', tls }).toString();
    expect(field).toContain(
      '([IPv6:2001:db8::1])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n',
    );
    expect(field).toContain('with ESMTPS id');
  });

  it('makes a harmless word of any EHLO argument', () => {
    expect(receivedField({ ...options, helo: 'a(b)\r\nX: <y>;ü' }).toString()).toContain(
      'from a?b???X:??y??? (',
    );
    expect(receivedField({ ...options, helo: '[192.0.2.9]' }).toString()).toContain('from [192.0.2.9] (');
  });
});

it.each([
  [0, 'Thu, 01 Jan 1970 00:00:00 +0000'],
  [Date.UTC(2028, 1, 29, 23, 59, 59), 'Tue, 29 Feb 2028 23:59:59 +0000'],
  [0, 'Thu, 01 Jan 1970 00:00:00 +0000'],
])('date of %d: %s', (at, text) => expect(mailDate(at)).toBe(text));
