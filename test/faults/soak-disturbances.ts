// What happens to the daemon of the policy soak while mail flows: everything that an operator, a clock or a crash can do.
// policy-soak.test.ts lets one after the other happen; what must be undone at the end is kept here.
// Never two at a time: each is over when its promise resolves.
import { expect } from 'vitest';
import type { Milestone } from '../../src/clock/milestones.ts';
import type { Chance } from '../harness/random.ts';
import type { TestRedis } from '../harness/redis.ts';
import type { Sendoff } from '../harness/sendoff.ts';
import type { Peer } from '../harness/smtp-peer.ts';

const MINUTE = 60_000;
export const ROUTES = ['direct', 'provider', 'second'] as const;

const ENDS: readonly Milestone[] = [
  'body-synced',
  'committed',
  'replied',
  'run-asked',
  'claimed',
  'mail-sent',
  'dot-sent',
  'reply-read',
  'settled',
  'dsn',
];

const FREE_SLOTS = "for _, key in ipairs(redis.call('KEYS', '*slots:*')) do redis.call('DEL', key) end";

type Policy = Readonly<Record<string, unknown>>;

export interface Surrounded {
  readonly redis: TestRedis;
  readonly peers: readonly Peer[];
  readonly domains: readonly string[];
  readonly policies: readonly Policy[];
  /** Another daemon on the same folder, its clock so far ahead. */
  readonly start: (offset: number, policy: Policy) => Promise<Sendoff>;
}

/** A jump of the daemon's clock: nothing between the two times ever was. */
export interface Jump {
  /** `Date.now()` of the test. */
  readonly at: number;
  readonly by: number;
}

export class Disturbances {
  readonly daemons: Sendoff[] = [];
  readonly jumps: Jump[] = [];
  /** Words for who reads of a failure. */
  readonly story: string[] = [];
  crashes = 0;
  flushes = 0;
  #policy: Policy;
  readonly #chance: Chance;
  readonly #around: Surrounded;

  constructor(chance: Chance, around: Surrounded) {
    this.#chance = chance;
    this.#around = around;
    this.#policy = around.policies[0] ?? {};
  }

  get daemon(): Sendoff {
    return this.daemons.at(-1) as Sendoff;
  }

  async begin(offset: number): Promise<void> {
    this.jumps.push({ at: 0, by: offset });
    this.daemons.push(await this.#around.start(offset, this.#policy));
  }

  /** The time of the daemons' clock at a moment of the test. */
  readonly timeAt = (moment: number): number =>
    this.jumps.reduce((time, { at, by }) => (at <= moment ? time + by : time), moment);

  async next(): Promise<void> {
    const acts = [
      () => this.jump((1 + this.#chance.int(10)) * MINUTE),
      () => this.jump((20 + this.#chance.int(160)) * MINUTE),
      () => this.#reload(),
      () => this.#reload(),
      () => this.#suspend(),
      () => this.#change(),
      () => this.#reroute(),
      () => this.#redis(),
      () => this.#drop(),
    ];
    await this.#chance.pick(acts)();
  }

  async jump(by: number): Promise<void> {
    this.story.push(`clock +${(by / MINUTE).toFixed(1)} min`);
    this.jumps.push({ at: Date.now(), by });
    await this.daemon.advance(by);
  }

  /** Dies at a point that chance picks, or of a plain kill -9 when it does not come to that point. */
  async crash(): Promise<void> {
    const milestone = this.#chance.pick(ENDS);
    this.story.push(`dies at ${milestone}`);
    this.crashes++;
    const { daemon } = this;
    await daemon.die({ milestone, nth: 1 + this.#chance.int(20) });
    const late = setTimeout(() => daemon.process.kill('SIGKILL'), 1000);
    expect(await daemon.ended).toBe('SIGKILL');
    clearTimeout(late);
    // The slots of who died stay taken for a quarter of a minute by the clock of Redis, which no test moves.
    await this.#around.redis.call('EVAL', FREE_SLOTS, '0');
    const by = this.#chance.int(20) * MINUTE;
    this.jumps.push({ at: Date.now(), by });
    this.daemons.push(await this.#around.start(daemon.now - Date.now() + by, this.#policy));
  }

  /** Puts a policy in force that is not one of those that change places, and takes back what operators did. */
  async free(policy: Policy): Promise<void> {
    this.story.push('freed');
    expect(await this.daemon.setPolicy(policy)).toEqual([]);
    const { suspensions } = (await this.daemon.api('/api/suspensions')) as {
      suspensions: Readonly<Record<string, string | null>>[];
    };
    for (const { site, route, domain } of suspensions) await this.#post('resume', { site, route, domain });
    for (const route of ROUTES) await this.daemon.change('release', { route });
  }

  async #reload(): Promise<void> {
    const { policies } = this.#around;
    this.#policy = this.#chance.pick(policies);
    this.story.push(`policy ${policies.indexOf(this.#policy)}`);
    expect(await this.daemon.setPolicy(this.#policy)).toEqual([]);
  }

  async #suspend(): Promise<void> {
    const scope = this.#chance.pick([
      { route: this.#chance.pick(ROUTES) },
      { site: 'big' },
      { domain: this.#chance.pick(this.#around.domains) },
    ]);
    const what = this.#chance.pick(['suspend', 'suspend', 'resume']);
    this.story.push(`${what} ${JSON.stringify(scope)}`);
    await this.#post(what, { ...scope, ...(what === 'suspend' && { for: '10m' }) });
  }

  async #change(): Promise<void> {
    const domain = this.#chance.pick(this.#around.domains);
    const what = this.#chance.pick(['hold', 'release', 'release', 'retry', 'retry', 'remove', 'bounce']);
    this.story.push(`${what} ${domain}`);
    await this.daemon.change(what, { domain });
  }

  async #reroute(): Promise<void> {
    const domain = this.#chance.pick(this.#around.domains);
    const to = this.#chance.pick(ROUTES);
    this.story.push(`reroute ${domain} ${to}`);
    await this.daemon.change('reroute', { domain, to });
  }

  async #redis(): Promise<void> {
    this.story.push('FLUSHALL');
    this.flushes++;
    await this.#around.redis.flush();
  }

  async #drop(): Promise<void> {
    this.story.push('connections dropped');
    this.#chance.pick(this.#around.peers).dropConnections();
  }

  async #post(path: string, body: object): Promise<void> {
    const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
    const headers = { 'content-type': 'application/json' };
    const answer = await this.daemon.api(`/api/${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(given),
    });
    expect(answer).not.toHaveProperty('error');
  }
}
