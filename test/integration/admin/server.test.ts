import { request } from 'node:http';
import { expect, test } from 'vitest';
import { startAdmin } from '../../../src/admin/server.ts';
import { SpoolError } from '../../../src/spool/spool.ts';
import { type AdminUnderTest, adminUnderTest, listeningObserver } from '../../harness/admin.ts';
import { entryView, MemoryOperations } from '../../harness/operations.ts';

interface Answer {
  readonly status: number;
  readonly type: string | undefined;
  readonly body: unknown;
}

interface Question {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** fetch() does not let a test choose Host and Origin; this does. */
function ask(admin: AdminUnderTest, path: string, { method = 'GET', headers, body }: Question = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const { port } = admin;
    const sent = request({ host: '127.0.0.1', port, path, method, headers: { ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        const type = response.headers['content-type'];
        resolve({
          status: response.statusCode ?? 0,
          type,
          body: type?.includes('json') ? JSON.parse(text) : text,
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

const json = { 'content-type': 'application/json' };
const post = (value: unknown): Question => ({ method: 'POST', headers: json, body: JSON.stringify(value) });

test('health, readiness and metrics', async () => {
  const admin = await adminUnderTest();
  expect(await ask(admin, '/healthz')).toMatchObject({ status: 200, body: { alive: true } });
  expect(await ask(admin, '/readyz')).toMatchObject({ status: 200, body: { ready: true, trouble: {} } });
  admin.operations.state = { ready: false, trouble: { redis: 'does not answer' } };
  expect(await ask(admin, '/readyz')).toMatchObject({
    status: 503,
    body: { ready: false, trouble: { redis: 'does not answer' } },
  });
  expect(await ask(admin, '/metrics')).toEqual({
    status: 200,
    type: 'text/plain; version=0.0.4',
    body: 'sendoff_up 1\n',
  });
});

test('beyond loopback a token is required before anything listens', async () => {
  for (const address of ['0.0.0.0', '::', '192.0.2.1']) {
    const started = startAdmin({
      address,
      port: 0,
      token: null,
      messageSize: 1000,
      operations: new MemoryOperations(),
      observer: listeningObserver(),
      metrics: { render: async () => '', contentType: 'text/plain' },
    });
    await expect(started).rejects.toThrow(/not a loopback address.*admin\.token/);
  }
});

test('an address in use is named in the error', async () => {
  const first = await adminUnderTest();
  await expect(adminUnderTest({ port: first.port })).rejects.toThrow(
    `admin: cannot listen on 127.0.0.1 port ${first.port}: listen EADDRINUSE`,
  );
});

test('Host must be ours, whatever the path', async () => {
  const admin = await adminUnderTest();
  for (const host of ['localhost:99', '127.0.0.1', '[::1]:2580', 'LOCALHOST', '127.8.8.8:1']) {
    expect((await ask(admin, '/healthz', { headers: { host } })).status, host).toBe(200);
  }
  for (const host of ['evil.example', 'localhost.evil.example', '192.0.2.7:2580', '127.0.0.1.evil.example']) {
    for (const path of ['/healthz', '/api/queue', '/metrics', '/nothing']) {
      expect((await ask(admin, path, { headers: { host } })).status, `${host} ${path}`).toBe(403);
    }
  }
});

test('on a wildcard address, addresses pass as Host and foreign names do not', async () => {
  const admin = await adminUnderTest({ address: '0.0.0.0', token: 'secret' });
  expect((await ask(admin, '/readyz', { headers: { host: '192.0.2.7:2580' } })).status).toBe(200);
  expect((await ask(admin, '/readyz', { headers: { host: 'evil.example' } })).status).toBe(403);
});

test('a page of another origin is refused, our own passes', async () => {
  const admin = await adminUnderTest();
  const own = `127.0.0.1:${admin.port}`;
  for (const origin of ['http://evil.example', 'null', `https://${own}`, `http://${own}.evil.example`]) {
    const answer = await ask(admin, '/api/queue/remove', {
      ...post({ id: 'x' }),
      headers: { ...json, host: own, origin },
    });
    expect(answer.status, origin).toBe(403);
  }
  expect(admin.operations.changes).toEqual([]);
  expect((await ask(admin, '/api/queue', { headers: { host: own, origin: `http://${own}` } })).status).toBe(
    200,
  );
});

test('with a token, all but the probes need it', async () => {
  const admin = await adminUnderTest({ token: 'correct horse'.replace(' ', '-') });
  const status = async (path: string, authorization?: string): Promise<number> =>
    (await ask(admin, path, authorization === undefined ? {} : { headers: { authorization } })).status;
  expect(await status('/healthz')).toBe(200);
  expect(await status('/readyz')).toBe(200);
  for (const path of ['/metrics', '/api/queue', '/api/totals', '/unknown']) {
    expect(await status(path), path).toBe(401);
    expect(await status(path, 'Bearer wrong'), path).toBe(401);
    expect(await status(path, 'Basic correct-horse'), path).toBe(401);
  }
  expect(await status('/metrics', 'Bearer correct-horse')).toBe(200);
  expect(await status('/api/queue', 'bearer correct-horse')).toBe(200);
});

test('the queue is listed by filter and limit', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [
    entryView({ id: '0aaaaaaaaaa1' }),
    entryView({ id: '0aaaaaaaaaa2', from: '' }),
    entryView({ id: '0aaaaaaaaaa3', domain: 'other.example' }),
  ];
  const ids = async (query: string): Promise<unknown> => {
    const { body } = await ask(admin, `/api/queue${query}`);
    const { entries, more } = body as { entries: { id: string }[]; more: boolean };
    return [entries.map((entry) => entry.id), more];
  };
  expect(await ids('')).toEqual([['0aaaaaaaaaa1', '0aaaaaaaaaa2', '0aaaaaaaaaa3'], false]);
  expect(await ids('?limit=2')).toEqual([['0aaaaaaaaaa1', '0aaaaaaaaaa2'], true]);
  expect(await ids('?sender=')).toEqual([['0aaaaaaaaaa2'], false]);
  expect(await ids('?sender=%3C%3E')).toEqual([['0aaaaaaaaaa2'], false]);
  expect(await ids('?domain=OTHER.example')).toEqual([['0aaaaaaaaaa3'], false]);
});

test.each([
  ['?limit=0', 'limit'],
  ['?limit=many', 'limit'],
  ['?limit=99999999', 'limit'],
  ['?domain=', 'domain'],
  ['?id=a&id=b', 'id'],
  ['?colour=red', 'colour'],
])('a bad listing %s is 400 and names the field', async (query, field) => {
  const admin = await adminUnderTest();
  const { status, body } = await ask(admin, `/api/queue${query}`);
  expect(status).toBe(400);
  expect((body as { error: string }).error).toContain(field);
});

test('one message is shown whole, an unknown one is 404', async () => {
  const admin = await adminUnderTest();
  const message = {
    id: '0abc123def45',
    origin: 'client' as const,
    arrived: 0,
    from: '',
    recipients: ['bob@example.org'],
    size: 1,
    eightBit: false,
  };
  const view = { message, entries: [entryView()], decisions: [] };
  admin.operations.messages.set('0abc123def45', view);
  expect(await ask(admin, '/api/queue/0abc123def45')).toMatchObject({ status: 200, body: view });
  expect(await ask(admin, '/api/queue/nothing')).toMatchObject({
    status: 404,
    body: { error: 'id: no message nothing in the queue' },
  });
});

test('a change reaches the entries that its filter names, and is logged', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [entryView(), entryView({ state: 'delivering' }), entryView({ id: 'other' })];
  const answer = await ask(admin, '/api/queue/hold', post({ id: '0abc123def45', reason: 'looking at it' }));
  expect(answer).toMatchObject({ status: 200, body: { changed: 1, busy: 1 } });
  expect(admin.operations.changes).toEqual([
    { what: 'hold', filter: { id: '0abc123def45' }, reason: 'looking at it' },
  ]);
  expect(admin.log).toEqual([expect.stringContaining('admin: hold')]);
});

test.each([
  ['no filter', {}, 'filter'],
  ['a reason alone', { reason: 'because' }, 'filter'],
  ['a wrong type', { id: 5 }, 'id'],
  ['an unknown field', { id: 'x', everything: true }, 'everything'],
  ['a list', [], 'expected object'],
])('a change with %s is 400 and changes nothing', async (_name, body, field) => {
  const admin = await adminUnderTest();
  const answer = await ask(admin, '/api/queue/remove', post(body));
  expect(answer.status).toBe(400);
  expect((answer.body as { error: string }).error).toContain(field);
  expect(admin.operations.changes).toEqual([]);
});

test('a change without a body, with broken JSON, of a wrong type or unknown', async () => {
  const admin = await adminUnderTest();
  expect((await ask(admin, '/api/queue/remove', { method: 'POST' })).status).toBe(400);
  expect(
    (await ask(admin, '/api/queue/remove', { method: 'POST', headers: json, body: '{"id"' })).status,
  ).toBe(400);
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  expect(
    (await ask(admin, '/api/queue/remove', { method: 'POST', headers: form, body: 'id=x' })).status,
  ).toBe(415);
  const text = { 'content-type': 'text/plain' };
  expect((await ask(admin, '/api/queue/remove', { method: 'POST', headers: text, body: '{}' })).status).toBe(
    415,
  );
  expect((await ask(admin, '/api/queue/explode', post({ id: 'x' }))).status).toBe(404);
  expect((await ask(admin, '/api/queue/remove', post({ reason: 'x'.repeat(20_000) }))).status).toBe(413);
  expect(admin.operations.changes).toEqual([]);
});

test('trouble of the spool is 503 with its reason; a defect is 500 without its trace', async () => {
  const admin = await adminUnderTest();
  admin.operations.failure = new SpoolError('the disk does not take writes');
  expect(await ask(admin, '/api/queue/retry', post({ id: 'x' }))).toMatchObject({
    status: 503,
    body: { error: 'the disk does not take writes' },
  });
  admin.operations.failure = new Error('secret detail');
  const { status, body } = await ask(admin, '/api/queue/retry', post({ id: 'x' }));
  expect(status).toBe(500);
  expect(JSON.stringify(body)).not.toMatch(/secret detail|at /);
  expect(admin.log.join()).toContain('secret detail');
});

test('send takes the message as it is, up to the limit', async () => {
  const admin = await adminUnderTest();
  const mail = (path: string, body?: string | Buffer): Promise<Answer> =>
    ask(admin, path, {
      method: 'POST',
      ...(body === undefined ? {} : { headers: { 'content-type': 'message/rfc822' }, body }),
    });
  expect(await mail('/api/send?from=a@B.example&to=c@d.example')).toMatchObject({
    status: 201,
    body: { id: '0new00000001' },
  });
  // Octets that are no UTF-8: they must arrive as they are.
  const content = Buffer.from('Subject: "quoted" \\ gr\u00fcn\r\n\r\n.\r\n', 'latin1');
  expect((await mail('/api/send?from=&to=x@d.example&to=y@d.example&route=drop', content)).status).toBe(201);
  expect(admin.operations.sent).toEqual([
    { from: 'a@b.example', to: ['c@d.example'] },
    { from: '', to: ['x@d.example', 'y@d.example'], route: 'drop', content },
  ]);
  expect((await mail('/api/send?from=a@b&to=c@d', Buffer.alloc(100_001))).status).toBe(413);
  expect(await mail('/api/send?from=a@b')).toMatchObject({ status: 400 });
  expect(await mail('/api/send?to=a@b')).toMatchObject({ status: 400 });
  admin.operations.refusal = '550 5.7.1 not here';
  expect(await mail('/api/send?from=a@b&to=c@d')).toMatchObject({
    status: 422,
    body: { error: '550 5.7.1 not here' },
  });
});

test('destinations, totals and reload', async () => {
  const admin = await adminUnderTest();
  admin.operations.entries = [entryView()];
  expect((await ask(admin, '/api/destinations')).body).toEqual({ destinations: [], total: 0 });
  expect((await ask(admin, '/api/totals')).body).toMatchObject({ queued: 1 });
  expect(await ask(admin, '/api/reload', { method: 'POST' })).toMatchObject({
    status: 200,
    body: { problems: [] },
  });
  admin.operations.problems = ['policy.yaml:3:5: unknown route'];
  expect(await ask(admin, '/api/reload', { method: 'POST' })).toMatchObject({
    status: 422,
    body: { problems: ['policy.yaml:3:5: unknown route'] },
  });
});

test('close ends connections that a client keeps open', async () => {
  const admin = await adminUnderTest();
  await fetch(`${admin.url}/healthz`);
  await admin.close();
  await expect(ask(admin, '/healthz')).rejects.toThrow('ECONNREFUSED');
});
