// What the page says happened before a message came: other messages to its site, and what its MX hosts are.
// recipes.test.ts asks; the real site book and the real table of detours answer.
// Never a guess: words that are not understood are a mistake of the page.
import { parseDuration } from '../../../src/config/quantities.ts';
import { type FailureClass, failureClasses } from '../../../src/delivery/failure.ts';
import { domainOf } from '../../../src/mail/envelope.ts';
import { decide } from '../../../src/policy/evaluate.ts';
import type { Policy } from '../../../src/policy/policy.ts';
import { Detours } from '../../../src/queue/detours.ts';
import type { PlacementContext } from '../../../src/queue/placement.ts';
import type { RecipientOutcome } from '../../../src/queue/settle.ts';
import { SiteBook } from '../../../src/queue/site-book.ts';
import { detoursNow, wayOf } from '../../../src/queue/ways.ts';

type Row = Readonly<Record<string, string>>;

/** A failure of this class as a peer's refusal of one recipient. */
export function failed(failureClass: string, permanent: boolean): RecipientOutcome & { kind: 'failed' } {
  if (!failureClasses.includes(failureClass as FailureClass)) throw new Error(`no class ${failureClass}`);
  const failure = {
    scope: 'recipient',
    permanent,
    class: failureClass as FailureClass,
    status: permanent ? '5.0.0' : '4.0.0',
    phase: 'rcpt',
    text: 'as the page says',
  } as const;
  return { kind: 'failed', failure };
}

/** `4 blocked, 1 delivered, 6h, 1 under way` in the column `Before`; `unknown`, or a host, in `Best MX`. */
export function contextAfter(policy: Policy, row: Row, start: number): PlacementContext {
  const { From = '', To = '', 'Best MX': mx = `mx.${domainOf(To)}`, Before = '' } = row;
  let now = start;
  const sites = new SiteBook({ now: () => now });
  const look = () => sites.learned(domainOf(To), mx === 'unknown' ? null : [mx]);
  const detours = new Detours();
  look();
  for (const event of Before === '' ? [] : Before.split(', ')) {
    const wait = parseDuration(event);
    now += wait ?? 0;
    look();
    if (wait === null) others(event, { from: From === '<>' ? '' : From, to: To });
  }
  const site = (domain: string) => sites.nameOf(policy, domain);
  const left = detoursNow({ sites, detours }, policy, now);
  const passed: PlacementContext['passed'] = (route, ...mail) =>
    route === row['Used up'] ? { reason: 'its quota', until: now + 1 } : left(route, ...mail);
  return { policy, now, door: () => null, site, passed, sourcePassed: () => null };

  function others(event: string, mail: { from: string; to: string }): void {
    const [, times, what = ''] = /^(\d+) (.+)$/.exec(event) ?? [];
    const { ending, fallback } = decide(policy, mail);
    if (ending.kind !== 'route' || !times) throw new Error(`not understood: ${event}`);
    const list = { routes: ending.routes, fallback };
    const way = wayOf({ sites }, policy, ending.routes[0] ?? '', domainOf(To));
    if (!way) throw new Error('nobody knows the site');
    for (let n = 1; n <= Number(times); n++) {
      const id = `${event} ${n} ${now}`;
      detours.takes(way, id, list, now);
      const outcome = what === 'delivered' ? ({ kind: what, reply: '250 ok' } as const) : null;
      if (what === 'under way') continue;
      detours.learn(way, { id, outcomes: [outcome ?? failed(what, true)], list, now });
    }
  }
}
