// The composition root: starts every part in order, and stops what was started in the opposite order.
// cli/serve.ts calls it with checked settings and policy; tests call it with seams of their own.
// Never knows what a part needs: parts.ts does.
import { production, type Seams } from './clock/seams.ts';
import type { Environment } from './config/environment.ts';
import type { Settings } from './config/settings.ts';
import { Parts } from './parts.ts';
import type { Policy } from './policy/policy.ts';

export interface DaemonOptions {
  readonly settings: Settings;
  readonly policy: Policy;
  readonly environment: Environment;
  readonly seams?: Seams;
}

export interface Daemon {
  readonly listeners: readonly { readonly address: string; readonly port: number }[];
  readonly admin: { readonly address: string; readonly port: number };
  /** SIGTERM: no new mail, what is before its final dot ends at once. Resolves when all is closed. */
  stop(): Promise<void>;
  /** SIGHUP: reads the policy again. Problems are in the log, the old policy stays in force. */
  reload(): Promise<void>;
  /** Resolves with the reason when the daemon cannot go on and must be stopped. */
  readonly failed: Promise<Error>;
}

/** Rejects, with everything closed again, when a part cannot be started. */
export async function startDaemon({ seams = production, ...options }: DaemonOptions): Promise<Daemon> {
  const parts = new Parts({ ...options, seams });
  try {
    return await start(parts);
  } catch (error) {
    await parts.end();
    throw error;
  }
}

async function start(parts: Parts): Promise<Daemon> {
  await parts.lock();
  const spool = await parts.openSpool();
  const redis = await parts.openRedis();
  const resolver = parts.openResolver();
  const policy = parts.putPolicyInForce();
  const queue = parts.createQueue(spool, resolver, policy, redis);
  const intake = parts.intake(spool, queue);
  const listeners = await parts.listen(intake, queue);
  queue.start();
  policy.watch(() => queue.policyChanged());
  const health = parts.watchHealth(spool, redis, resolver, queue);
  const admin = await parts.startAdmin(queue, intake, policy, health);
  parts.bindMetrics(spool, queue, listeners);
  parts.checkHostname(policy.current());
  parts.sayReady(listeners, admin);
  return {
    listeners: listeners.open,
    admin,
    stop: () => parts.end(),
    reload: async () => void (await policy.reload()),
    failed: parts.failed,
  };
}
