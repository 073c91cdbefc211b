// Policies of a test's own, written as YAML text.
// Used by tests that need a Policy and not its files.
// Never accepts a policy with a mistake: the test gets the problems as its error.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPolicy } from '../../src/config/load-policy.ts';
import { formatProblem } from '../../src/config/problem.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { temporaryFolder } from './folder.ts';

export function policyFrom(yaml: string): Policy {
  const file = join(temporaryFolder(), 'policy.yaml');
  writeFileSync(file, yaml);
  const loaded = loadPolicy(file, { environment: {} });
  if ('problems' in loaded) throw new Error(loaded.problems.map(formatProblem).join('\n'));
  return loaded.policy;
}
