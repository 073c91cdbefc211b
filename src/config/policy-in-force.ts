// The policy that decides right now, replaced whole when its files change and are right.
// daemon.ts puts it in force; file changes, SIGHUP and the admin API ask for a reload.
// Never lets a broken file stop or change anything but the log.
import type { Clock } from '../clock/clock.ts';
import type { Alarms } from '../observe/alarms.ts';
import type { Observer } from '../observe/events.ts';
import type { Policy } from '../policy/policy.ts';
import type { Environment } from './environment.ts';
import { loadPolicy } from './load-policy.ts';
import { formatProblem } from './problem.ts';
import { watchFiles } from './watch.ts';

export interface PolicyInForce {
  current(): Policy;
  /** Reads the files again. The problems, one line each; empty: what was read is in force. */
  reload(): Promise<readonly string[]>;
  /** Reads another file or folder as this one is read, and puts nothing in force. */
  read(path: string): ReturnType<typeof loadPolicy>;
  /** Follows the files. `changed` runs after each change of policy and tells how much mail it moved. */
  watch(changed: () => Promise<number>): void;
  close(): void;
}

export interface PolicyInForceOptions {
  /** As loaded from `path` at start. */
  readonly policy: Policy;
  /** Absolute; null: the built-in policy, which has nothing to reload. */
  readonly path: string | null;
  readonly environment: Environment;
  /** Of the settings. */
  readonly softBounce: boolean;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly alarms: Alarms;
}

export function putInForce(options: PolicyInForceOptions): PolicyInForce {
  const { path, environment, softBounce, clock, observer, alarms } = options;
  let current = options.policy;
  let changed = async (): Promise<number> => 0;
  let stopWatching = (): void => undefined;

  const follow = (files: readonly string[]): void => {
    stopWatching();
    stopWatching = watchFiles(
      files,
      () =>
        void reload().catch((error: Error) => observer.warn(`the policy was not reloaded: ${error.message}`)),
      clock,
      (text) => observer.warn(text),
    );
  };
  const reload = async (): Promise<readonly string[]> => {
    const loaded = loadPolicy(path, { environment, softBounce });
    if ('problems' in loaded) {
      const lines = loaded.problems.map(formatProblem);
      alarms.raise('policy-reload', `the policy has errors, the old one stays in force: ${lines.join('; ')}`);
      return lines;
    }
    current = loaded.policy;
    alarms.clear('policy-reload');
    follow(loaded.files);
    for (const warning of loaded.warnings) observer.warn(formatProblem(warning));
    const moved = await changed();
    observer.info('the policy was reloaded', { moved });
    return [];
  };
  return {
    current: () => current,
    reload,
    read: (other) => loadPolicy(other, { environment, softBounce }),
    watch(onChange) {
      changed = onChange;
      const loaded = loadPolicy(path, { environment, softBounce });
      if (path !== null) follow('files' in loaded ? loaded.files : [path]);
    },
    close: () => stopWatching(),
  };
}
