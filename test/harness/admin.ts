// An admin server of the test's own, on a free port, with operations in memory.
// Used by the tests of admin/ and cli/.
// Never outlives its test.
import { onTestFinished } from 'vitest';
import { type Admin, type AdminOptions, startAdmin } from '../../src/admin/server.ts';
import type { Observer } from '../../src/observe/events.ts';
import { MemoryOperations } from './operations.ts';

/** Keeps what the daemon would have logged. */
export function listeningObserver(): Observer & { readonly lines: string[] } {
  const lines: string[] = [];
  const keep = (text: string, fields?: unknown): void => {
    lines.push(fields === undefined ? text : `${text} ${JSON.stringify(fields)}`);
  };
  return { lines, event: (event) => keep(event.event), info: keep, warn: keep, debug: keep };
}

export interface AdminUnderTest extends Admin {
  readonly operations: MemoryOperations;
  readonly log: readonly string[];
  readonly url: string;
}

export async function adminUnderTest(changes: Partial<AdminOptions> = {}): Promise<AdminUnderTest> {
  const operations = new MemoryOperations();
  const observer = listeningObserver();
  const admin = await startAdmin({
    address: '127.0.0.1',
    port: 0,
    token: null,
    messageSize: 100_000,
    operations,
    observer,
    metrics: { render: async () => 'sendoff_up 1\n', contentType: 'text/plain; version=0.0.4' },
    ...changes,
  });
  onTestFinished(() => admin.close());
  return { ...admin, operations, log: observer.lines, url: `http://127.0.0.1:${admin.port}` };
}
