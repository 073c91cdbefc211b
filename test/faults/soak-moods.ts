// Peers with moods: what each step of a dialogue is answered by chance, and what every copy looked like from there.
// policy-soak.test.ts starts its peers with these scripts; soak-account.ts counts what they saw.
// Never answers by anything but the seed; calm, every peer takes everything.
import type { Chance } from '../harness/random.ts';
import type { Call, Script, Step } from '../harness/smtp-peer.ts';

/** One transaction that a peer may have kept, at the time of its MAIL. */
export interface Sighting {
  readonly peer: string;
  /** The client's name in EHLO: which of its addresses it came from. */
  readonly helo: string;
  readonly from: string;
  readonly to: readonly string[];
  /** `Date.now()` of the test. */
  readonly mailAt: number;
}

/** `12 ann@example.org`: the number of the message, and the recipient. */
export type RecipientKey = string;

/** Senders have the number of their only message in their names. */
export const senderNumber = (from: string): string => /^s(\d+)@/.exec(from)?.[1] ?? 'none';

type Choice = readonly [share: number, step: Step];

const brief = (ms: number, next: Step = null): Step => ({
  do: 'wait',
  for: new Promise((resolve) => setTimeout(resolve, ms)),
  next,
});

/** No answer, as with `hang`; but it is seen when the client goes. */
const silence: Step = { do: 'wait', for: new Promise(() => undefined) };

export class Moods {
  readonly sightings: Sighting[] = [];
  /** Recipients whose final dot was once left without an answer. */
  readonly dropped = new Set<RecipientKey>();
  #calm = false;
  /** The most connections at a time, by what is watched. */
  readonly most = new Map<string, number>();
  readonly #watches: (() => void)[] = [];
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** From now on everything is taken, and nothing is noted. */
  becomeCalm(): void {
    this.#calm = true;
  }

  /** What `open` counts is looked at with each EHLO: by then what was closed before has been seen closed. */
  watch(name: string, open: () => number): void {
    this.#watches.push(() => this.most.set(name, Math.max(this.most.get(name) ?? 0, open())));
  }

  /** The script of the peer of this name; `moody` false: it takes everything all the while. */
  script(peer: string, moody = true): Script {
    const helos = new Map<number, string>();
    const begun = new Map<number, number>();
    const mood = (choices: () => readonly Choice[]): Step => (moody ? this.#pick(choices()) : null);
    return {
      greeting: () => mood(atGreeting),
      ehlo: ({ connection, line }) => {
        helos.set(connection, line.slice('EHLO '.length));
        if (!this.#calm) for (const look of this.#watches) look();
        return mood(atEhlo);
      },
      mail: ({ connection }) => {
        begun.set(connection, Date.now());
        return mood(atMail);
      },
      rcpt: () => mood(atRcpt),
      // Content and dot come in one piece: who closes at the first octet leaves the dot without an answer.
      body: (call) => this.#noted(call, mood(atBody)),
      dot: (call) => {
        const step = this.#noted(call, mood(atDot));
        const { from, to, connection } = call;
        const mailAt = begun.get(connection) ?? Date.now();
        const helo = helos.get(connection) ?? '';
        if (isKept(step) && !this.#calm)
          this.sightings.push({ peer, helo, from: from ?? '', to: [...to], mailAt });
        return step;
      },
    };
  }

  #pick(choices: readonly Choice[]): Step {
    if (this.#calm) return null;
    let at = this.#chance.next();
    for (const [share, step] of choices) {
      if (at < share) return step;
      at -= share;
    }
    return null;
  }

  #noted({ from, to }: Call, step: Step): Step {
    const n = senderNumber(from ?? '');
    if (isSilent(step)) for (const recipient of to) this.dropped.add(`${n} ${recipient}`);
    return step;
  }
}

const isSilent = (step: Step): boolean =>
  step === silence || (typeof step === 'object' && step !== null && ['close', 'reset'].includes(step.do));

function isKept(step: Step): boolean {
  if (step === null || step === silence) return step === null;
  if (typeof step === 'string') return step.startsWith('2');
  return step.do === 'wait' || ('record' in step && step.record === true);
}

const atGreeting = (): readonly Choice[] => [
  [0.01, '421 4.3.2 not now'],
  [0.01, { do: 'close' }],
  [0.01, '554 5.7.1 Your address is on the block list of spamhaus'],
  [0.02, '421 4.7.0 Too many connections from you'],
  [0.02, brief(100)],
];

const atEhlo = (): readonly Choice[] => [
  [0.02, brief(100)],
  [0.004, silence],
];

const atMail = (): readonly Choice[] => [
  [0.01, '451 4.3.0 not now'],
  [0.01, { do: 'reset' }],
  [0.01, '450 4.7.1 Your address is blocked by spamhaus'],
  [0.01, '421 4.7.0 slow down, try again in 2 minutes'],
];

const atRcpt = (): readonly Choice[] => [
  [0.02, '450 4.7.1 greylisted, try again in 5 minutes'],
  [0.01, '451 4.7.1 greylisted for 300 seconds'],
  [0.02, '452 4.2.2 mailbox full'],
  [0.03, '550 5.1.1 no such user'],
  [0.02, '550 5.7.1 your address is blocked by spamhaus'],
  [0.01, '451 4.7.1 go away'],
  [0.01, '450 4.3.2 too many messages, retry after 00:02:00'],
];

const atBody = (): readonly Choice[] => [[0.01, { do: 'close' }]];

const atDot = (): readonly Choice[] => [
  [0.03, '451 4.3.0 try again in 2 minutes'],
  [0.02, '554 5.6.0 content rejected'],
  [0.01, '421 4.3.2 going down'],
  [0.02, { do: 'close' }],
  [0.02, { do: 'close', record: true }],
  [0.01, { do: 'reset', record: true }],
  [0.003, silence],
  [0.03, brief(200)],
];
