// Trouble of our own that only an operator can mend: a login that is refused, an address that is not there.
// run.ts tells what an attempt found; the alarm is said once, and is over with the first success.
// Never decides about mail: it waits, or takes another way, without this.
import type { Failure } from '../delivery/failure.ts';
import type { Alarms } from '../observe/alarms.ts';
import type { Finding } from './backoff.ts';
import type { Destination } from './destinations.ts';
import { wayText } from './entry.ts';
import type { House } from './house.ts';
import { sourcesOf } from './pools.ts';

type Place = Pick<Destination, 'route' | 'source'>;

export function noteOurTrouble(alarms: Alarms, { route, source }: Place, finding: Finding): void {
  if (finding === 'unknown') return;
  if (finding === 'open') {
    alarms.clear('auth-failed', route);
    alarms.clear('source-missing', wayText({ route, source }));
  } else if (finding.sourceTrouble === 'missing') missingSource(alarms, { route, source });
  else if (finding.sourceTrouble === undefined && finding.class === 'auth' && finding.ours) {
    refusedLogin(alarms, route, finding);
  }
}

function refusedLogin(alarms: Alarms, route: string, { reply, text: reason, host }: Failure): void {
  const text = `route ${route}: the login was refused; its mail waits: ${reply ?? reason}`;
  alarms.raise('auth-failed', text, { route, host }, route);
}

function missingSource(alarms: Alarms, { route, source }: Place): void {
  const text = `route ${route}: this machine has no address ${source}; mail leaves by the route's others, or waits`;
  alarms.raise('source-missing', text, { route, source }, wayText({ route, source }));
}

/** Another policy is in force: what no route leaves from any more is nobody's trouble. */
export function policyMends({ alarms, destinations, policy }: House): void {
  const { routes } = policy();
  for (const { route, source } of destinations.all()) {
    if (source === null || sourcesOf(routes.get(route)).some(({ address }) => address === source)) continue;
    alarms.clear('source-missing', wayText({ route, source }));
  }
}
