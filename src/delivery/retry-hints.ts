// What replies say about when to come back: "try again in 5 minutes", "Greylisted for 300 seconds". Wordings are data.
// classify.ts asks for each temporary refusal; the retry schedule and the destination's door obey.
// Never makes a promise of a number: a rate, a limit or a timeout that a reply names is no hint.

/** A receiver's clock and ours differ by some seconds; what comes too early is told to wait once more. */
export const SHORTEST_HINT_MS = 10_000;

/** Quotas begin anew each day. What asks for more is looked at daily all the same: words are often out of date. */
export const LONGEST_HINT_MS = 24 * 3_600_000;

/** Milliseconds a unit. */
const units = [
  { unit: 'd(?:ays?)?|tag(?:en?)?|jours?|dias?|giorn[oi]', ms: 86_400_000 },
  { unit: 'h(?:ours?|rs?)?|stunden?|heures?|horas?|or[ae]', ms: 3_600_000 },
  { unit: 'm(?:in(?:ute|uto)?s?|inuten|inuti)?', ms: 60_000 },
  { unit: 's(?:ec(?:ond|onde)?s?|egundos?|ekunden?|econdi)?', ms: 1000 },
] as const;

const numbers: ReadonlyMap<string, number> = new Map([
  ['an', 1],
  ['a', 1],
  ['one', 1],
  ['two', 2],
  ['three', 3],
  ['five', 5],
  ['ten', 10],
  ['fifteen', 15],
  ['twenty', 20],
  ['thirty', 30],
  ['sixty', 60],
]);

const word = [...numbers.keys()].join('|');
const unit = units.map((one) => one.unit).join('|');
const part = `(?:\\d{1,6}(?:\\.\\d{1,3})?[ -]?|(?:${word})[ -])(?:${unit})(?![a-z])`;
/** `5 minutes`, `an hour`, `1h30m`, `4 min and 30 s`. */
const counted = `half an hour|${part}(?:,? ?(?:and )?${part}){0,2}`;
/** `00:04:59`, but no time of the day. */
const clock = '\\d{1,2}:[0-5]\\d:[0-5]\\d(?! ?(?:[ap]m\\b|utc|gmt|[+-]\\d))';
/** Seconds, as in the field Retry-After of HTTP; a number of anything else has a word behind it. */
const bare = '\\d{1,6}(?=[ ]?(?:$|[.,;)\\]]))(?![.,:]\\d)';

const some = '(?:at least |about |approximately |around |another |the next |roughly |~ ?)?';
/** Of `10-15 minutes` the later. */
const range = '(?:\\d{1,4} ?(?:-|to) ?(?=\\d))?';
const amount = `${some}${range}(?<amount>${counted}|${clock})`;
const seconds = `${some}${range}(?<amount>${counted}|${clock}|${bare})`;

const again = '(?:again|retry|come back|resend|resubmit|reconnect)';
const later = '(?:try|trying|later|back|available|reconnecting)';
/** No further than the sentence, and not past another number: that is what is counted in the time. */
const near = (most: number): string => `[^.;\\d]{0,${most}}?`;

/**
 * Asked in this order; the first that fits counts. `amount` is the group that holds the time. Every gap has a
 * length, so that no reply takes longer than in proportion to its own.
 */
const wordings: readonly RegExp[] = [
  `\\bretry[-_ ]after[:= ]{1,3}${seconds}`,
  `\\b${again}\\b${near(30)}\\b(?:in|after|for|within|not before)[: ]{1,2}${seconds}`,
  `\\b${later}\\b${near(12)}\\b(?:in|after)[: ]{1,2}${seconds}`,
  `\\b(?:next (?:attempt|try|retry|delivery)|resets?)\\b${near(20)}\\b(?:in|after) ${amount}`,
  `\\b(?:retry|later|again): ${amount}`,
  `\\b(?:allowed|accepted|possible) (?:again )?(?:only )?after ${amount}`,
  `\\bwait(?:ing)?(?: (?:for|until))?:? ${seconds}`,
  `\\bgr[ea]y-? ?list\\w*\\b${near(40)}\\b${amount}(?! ago)`,
  `\\b(?:blocked|deferred|delayed|rejected|refused|suspended|banned|locked|limited|throttled)\\b${near(20)}\\bfor ${amount}`,
  `\\b(?<amount>${counted}|${clock}) (?:later|left|remaining|to go|from now|(?:before|until) (?:re-?try|try|send|the next|next|you|attempt))`,
  `\\b(?:reessaye[rz]|nouveau|essai)\\b${near(30)}\\b(?:dans|apres) ${amount}`,
  `\\b(?:in|nach) (?<amount>${counted})${near(12)}\\b(?:erneut|wieder|nochmals?|versuch)`,
  `\\b(?:erneut|wieder|nochmals?|versuch\\w*)\\b${near(20)}\\b(?:in|nach) ${amount}`,
  `\\b(?:intent\\w*|reintent\\w*|nuevo|riprova\\w*|tent[ea]\\w*|novamente)\\b${near(20)}\\b(?:en|dentro de|despues de|tra|fra|em|depois de|apos) ${amount}`,
].map((words) => new RegExp(words));

/**
 * Milliseconds that a reply asks us to stay away, within the bounds above; null when it names no time.
 * `words`: the reply's text in lower case, without accents and codes, as classify.ts makes it.
 */
export function retryHint(words: string): number | null {
  for (const wording of wordings) {
    const said = wording.exec(words)?.groups?.amount;
    if (said !== undefined) return within(millisecondsOf(said));
  }
  return null;
}

function within(ms: number): number {
  return Math.min(Math.max(ms, SHORTEST_HINT_MS), LONGEST_HINT_MS);
}

function millisecondsOf(said: string): number {
  if (said === 'half an hour') return 30 * 60_000;
  if (said.includes(':')) {
    const [hours = 0, minutes = 0, seconds = 0] = said.split(':').map(Number);
    return ((hours * 60 + minutes) * 60 + seconds) * 1000;
  }
  const parts = [...said.matchAll(oneAmount)];
  if (parts.length === 0) return Number(said) * 1000;
  return Math.round(parts.reduce((sum, [, many = '', each = '']) => sum + numberOf(many) * worth(each), 0));
}

const oneAmount = new RegExp(`(\\d{1,6}(?:\\.\\d{1,3})?|\\b(?:${word})(?=[ -]))[ -]?(${unit})(?![a-z])`, 'g');

function numberOf(many: string): number {
  return numbers.get(many) ?? Number(many);
}

function worth(said: string): number {
  return units.find(({ unit }) => new RegExp(`^(?:${unit})$`).test(said))?.ms ?? 0;
}
