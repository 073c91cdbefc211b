// Policies of a test's own, written as YAML text.
// Used by tests that need a Policy and not its files.
// Never accepts a policy with a mistake: the test gets the problems as its error.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPolicy } from '../../src/config/load-policy.ts';
import { formatProblem } from '../../src/config/problem.ts';
import type { Policy } from '../../src/policy/policy.ts';

/** May be called outside of a test, for a policy that several share. */
export function policyFrom(yaml: string): Policy {
  const folder = mkdtempSync(join(tmpdir(), 'sendoff-test-'));
  try {
    writeFileSync(join(folder, 'policy.yaml'), yaml);
    const loaded = loadPolicy(join(folder, 'policy.yaml'), { environment: {} });
    if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
    return loaded.policy;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
