// The end of what was started.
import { expect, test } from 'vitest';
import { Started } from '../../src/started.ts';

test('parts end in the opposite order, also after one that cannot', async () => {
  const ended: string[] = [];
  const troubles: unknown[] = [];
  const started = new Started();
  started.add(() => void ended.push('lock'));
  started.add(() => Promise.reject(new Error('no')));
  started.add(async () => void ended.push('listener'));
  await started.end((error) => troubles.push(error));
  await started.end((error) => troubles.push(error));
  expect(ended).toEqual(['listener', 'lock']);
  expect(troubles).toEqual([new Error('no')]);
});
