// Claims as the spool counts them: each ends where it began.
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { QueueEntry } from '../../../src/queue/entry.ts';
import { Claims } from '../../../src/spool/claims.ts';
import { Journal } from '../../../src/spool/journal.ts';
import { temporaryFolder } from '../../harness/folder.ts';

const entry: QueueEntry = {
  id: 'M1',
  seq: 0,
  destination: 'direct example.com',
  recipients: [0],
  due: 0,
  attempts: 0,
  routeAttempts: 0,
  expires: 1,
  warnings: 0,
  crashes: 0,
};

test('a claim ends as the entry that was claimed, wherever that has moved', () => {
  const claims = new Claims(new Journal(join(temporaryFolder(), 'journal')));
  onTestFinished(() => claims.close());
  claims.claim(entry);
  const moved: QueueEntry = { ...entry, destination: 'provider' };
  expect(claims.release(moved)?.destination).toBe('direct example.com');
  expect(claims.release(moved)).toBeUndefined();
  claims.claim(entry);
  expect(claims.forget(entry)).toBe(entry);
  expect(claims.isBusy(entry)).toBe(false);
});
