// What replies mean: words, enhanced status codes and bare codes, each with its failure class. Data only.
// classify.ts looks a reply up here: clear words, then status, then vague words, then the code.
// Never holds a rule about what is done with the mail: scope and permanence are classify.ts.
import type { FailureClass } from './failure.ts';

/** Where none of the words in between is the end of a sentence. */
const within = (most: number): string => `[^.;]{0,${most}}`;

export interface WordRule {
  readonly class: FailureClass;
  readonly words: RegExp;
  /** Only for 4xx or only for 5xx replies. */
  readonly only?: 4 | 5;
}

function rule(failureClass: FailureClass, alternatives: readonly string[], only?: 4 | 5): WordRule {
  const words = new RegExp(alternatives.join('|'));
  return only === undefined ? { class: failureClass, words } : { class: failureClass, words, only };
}

const somebody =
  '(?:user|username|recipient|mail ?box|mailbox name|account|address|e-?mail|addressee|alias|member|customer|inbox|local part|rcpt)';
const gone =
  "(?:unknown|not found|not be found|couldn'?t be found|not exist|n'?t exist|nonexist|no longer|invalid|disabled|inactive|suspended|frozen|locked|closed|terminated|deleted|deactivated|expired|blocked|undeliverable|not (?:a )?(?:valid|known|local|registered|active|recogni[sz]ed|listed|hosted|here)|(?:does not|doesn'?t) (?:exist|have)|is not a\\b|has moved|disallowed)";
const nobody =
  '(?:unknown|no such|invalid|non-?existent|bad|inactive|unroute?able|undeliverable|illegal|disabled|unrecogni[sz]ed)';

/**
 * Words that leave no doubt, in the order in which they decide: what is said of us and of the rate comes
 * before what is said of spam, for block lists like to name spam; recipients come late, for many servers
 * begin whatever they say at RCPT with "recipient address rejected".
 */
export const clearWords: readonly WordRule[] = [
  rule('mailbox-full', ['mail ?box (?:is )?full']),
  rule('content', [
    `(?:message|mail|size|length|body|headers?|line)${within(25)}(?:too (?:big|large|long)|larger than)`,
    `(?:message|mail|line)? ?(?:size|length|line limit)${within(30)}exceed`,
    `exceed${within(40)}(?:message size|size limit|maximum size|length limit)`,
    `line limit|\\bsize limit`,
  ]),
  rule('throttled', [
    `(?:daily|hourly|sending|outgoing|outbound|per (?:day|hour|minute))${within(25)}(?:quota|limit)`,
    `(?:quota|limit)${within(60)}(?:per|this|an?|each) (?:day|hour|minute)`,
  ]),
  rule('mailbox-full', [
    `(?:mail ?box|mbox|inbox|maildir|account|user|recipient)${within(40)}(?:\\bfull\\b|out of (?:disk )?(?:space|storage)|over (?:its |the )?(?:quota|limit)|insufficient)`,
    `over-? ?quota|(?:exceed\\w*|out of|above|beyond|reached)${within(30)}quota|quota${within(30)}(?:exceed|full|reached|violat|over)`,
    `(?:disk|storage)${within(15)}(?:quota|limit)|mailbox ?full|(?:not enough|insufficient|no) (?:storage )?space${within(20)}(?:mailbox|user|account)`,
    `(?:boite${within(20)}|casella )pien|boite${within(30)}pleine|postfach${within(15)}voll|buzon${within(15)}lleno`,
  ]),
  rule(
    'greylisted',
    ['gr[ea]y-? ?list', 'post-?grey', 'sqlgrey', 'early retry', 'retry too (?:soon|early)'],
    4,
  ),
  rule('tls', [
    'starttls',
    `\\b(?:tls|ssl|encryption|encrypted (?:connection|session))${within(30)}(?:required|mandatory|needed|only|must)`,
    `(?:requires?|must use|use of)${within(15)}(?:tls\\b|ssl\\b|encrypt)`,
  ]),
  rule('policy', ['dmarc', 'dkim', 'unauthenticated', `authentication ${within(20)}(?:checks?|results)\\b`]),
  rule('content', [
    `(?:url|uri|link)s?\\b${within(40)}(?:black-? ?list|listed|blocked)|(?:black-? ?listed|listed|blocked|malicious) (?:url|uri|link)|uribl|surbl`,
    `rfc ?-?(?:2822|5322)\\b|rfc ?822 |(?:multiple|duplicate|missing|malformed|invalid|bad)${within(30)}headers?\\b|header (?:error|field)`,
    '(?:banned|forbidden|blocked|dangerous|executable) (?:\\w+ )?(?:file|attachment|extension|content)|\\bbanned:',
    'spamassassin|rspamd|spam (?:score|filter|content|message|detected)|(?:as|like|probability of|considered) spam\\b',
    `content${within(30)}(?:reject|block|denied|presents|filter|not accept)|message content|because of (?:its|the) content`,
  ]),
  rule('blocked', [
    `\\w*(?:rbl|dnsbl)s?\\b|black-? ?list|block-? ?list|deny-? ?list|black ?hole`,
    `spamhaus|spamcop|sorbs|barracuda(?:central|networks)|abuseat|senderscore|senderbase|talosintelligence|uceprotect|abusix|mailspike|spamrats|\\bcloudmark|sender\\.office\\.com`,
    `reputation|complaints?\\b|\\babusive\\b|(?:for|due to|because of) abuse|(?:is|are|been) banned|banned (?:\\w+ )?(?:ip|host|server|network)|\\blisted (?:at|in|on|by)\\b`,
    `\\br-?dns\\b|reverse[- ](?:dns|lookup|hostname|address|resolution|mapping)|\\bptr\\b|fcrdns|forward[- ]confirmed|cannot find your (?:reverse )?host`,
    `dynamic(?:ally)? (?:\\w+ )?(?:ip|pool|host|address)|residential|dial-? ?up|generic (?:hostname|rdns)|\\bspf\\b|sender policy framework`,
    `unverif\\w+ sending ip|ip${within(20)}for sending`,
  ]),
  rule('throttled', [
    `too (?:many|much)${within(20)}(?:connections?|sessions?|messages?|mails?|e-?mails?|recipients?|requests?|attempts?|traffic|commands?|threads?|transactions?)`,
    `too (?:fast|frequent|quickly|often)|slow(?:ing)? down|throttl|frequency|flood|concurren`,
    `\\brate${within(15)}(?:limit|control|exceed)|exceed${within(30)}\\brates?\\b|at a rate`,
    `(?:connections?|messages?|recipients?|sessions?|volume|sending|send|e-?mails?|mails?)${within(15)} limit|limit${within(20)}(?:of|on) (?:\\d+ )?(?:connections|messages|recipients|sessions)`,
    `(?:maximum|max)${within(20)}(?:connections|sessions|messages|recipients)|(?:unexpected|unusual)${within(10)}(?:volume|rate|amount)`,
    `(?:server|system|host|we are|currently|too)${within(10)}\\bbusy\\b|\\bbusy${within(10)}(?:try|later)|overload|high load|load average`,
  ]),
  rule('blocked', [
    `\\b(?:ips?|ip addresses?|client|host network|subnet|mta|(?:client|sending|your|connecting|remote|this) (?:\\w+ )?(?:host|server|network|address|system|domain))\\b${within(60)}(?:\\bblock(?:ed|s|ing)?\\b|\\blisted\\b|not allowed|not permitted|not welcome|rejected|refused|denied|forbidden)`,
    `\\bconnections?\\b${within(30)}(?:\\bblock|not allowed|not permitted|denied|rejected)`,
    `(?:block(?:ed|ing|s)?|reject(?:ed|ing|s)?|refus(?:ed|ing|es?)|den(?:ied|y)|accepting)${within(30)}\\b(?:your|this|from|sending|client|connecting) (?:ip|host|server|network|mta|address|domain'?s ip)`,
    `\\bblocked (?:using|by|for)\\b|\\baccess (?:to this (?:server|system) )?${within(20)}forbidden|service refus`,
    `\\bhelo\\b${within(40)}(?:reject|invalid|denied|refus|not|bad)|(?:invalid|bad) helo`,
  ]),
  rule(
    'greylisted',
    [
      `(?:try|retry|come back|again)${within(25)}\\b(?:in|after) (?:\\d+|a few|some|one|two|five|ten|several|a) ?(?:s\\b|sec|min|m\\b|hour)`,
      '(?:unknown|new|unfamiliar|first[- ]time) (?:triplet|sender|client)|first (?:attempt|contact)|not (?:yet )?seen before',
    ],
    4,
  ),
  rule('policy', [
    `relay(?:ing)?\\b${within(30)}(?:den|not|prohibit|reject|refus|forbid|disallow)|(?:not|unable|cannot|insecure|no|refuse)\\b${within(30)}relay`,
    `\\bsender\\b${within(40)}(?:reject|denied|refus|blocked|invalid|unknown|not|fail|bad|does)|sender'?s? (?:domain|address)|domain of sender|unroute?able sender|(?:invalid|bad|unknown|rejected) sender`,
    `from:? ?(?:domain|address|header)|return[- ]path|mail from${within(40)}(?:reject|denied|invalid|not|fail)|cannot (?:resolve|verify)${within(20)}(?:domain|sender)`,
  ]),
  rule('content', [
    `\\bspam\\w*|\\bube\\b|\\buce\\b|unsolicited|\\bjunk\\b|\\bbulk\\b|virus|malware|phish|trojan|infected|attachment`,
    `suspicious|inappropriate|(?:potential\\w*|security) (?:threat|unsafe|harmful|danger)`,
  ]),
  rule('dns', [
    `\\b(?:host|domain)(?: ?name)?\\b${within(12)}(?:unknown|not found|invalid|not exist|n'?t exist)|(?:unknown|invalid|no such|unroute?able|unresolvable|bad|illegal) (?:host|domain)`,
    `\\bdns\\b${within(12)}(?:query|lookup|error|fail)|name ?server|nxdomain|\\bno mx\\b`,
  ]),
  rule('unknown-user', [
    `${somebody}\\b${within(45)}${gone}`,
    `${nobody} (?:\\w+ ){0,2}?${somebody}`,
    `no (?:mail ?box|user|account|recipient)s?\\b|no such person|not our (?:user|customer)|recip(?:ient)?notfound|(?:address|recipient) rejected: (?:access denied|undeliverable)`,
    'mail ?box name (?:is )?not allowed|unknown local[- ]part|unroute?able address|user(?:name)? (?:does|is) not|not a registered',
  ]),
  rule('unknown-user', [`(?:mail ?box|recipient|account|user) (?:is )?(?:unavailable|not available)`], 5),
  // Nothing but the word: of the message they would say what is wrong with it.
  rule('blocked', ['^ *(?:(?:access|you are|you have been|temporarily) )?blocked[.! ]*$']),
];

/** Words that settle it only when the status said nothing. */
export const vagueWords: readonly WordRule[] = [
  rule('unreachable', [
    `connection${within(15)}(?:refused|timed|reset|lost|closed|dropped)|timed? ?-?out|not reachable|unreachable|no answer`,
    `service${within(20)}(?:not available|unavailable|down\\b)|no smtp service|not accepting|not accept (?:any )?(?:e-?mail|mail|connections)(?! from)|shutting down|maintenance|try another`,
    'hop count|too many hops|mail loop|routing loop|message expired|delivery time expired',
    `(?:insufficient|out of|no) (?:system )?(?:storage|resources|disk|space|memory)|disk full`,
    `(?:system|server|internal|upstream|database|backend|dns)${within(15)}(?:error|failure|problem|unavailable)`,
  ]),
  rule('unknown-user', ['(?:recipient|address)(?: address)?(?:es)? (?:was )?(?:rejected|refused)'], 5),
  rule('protocol', [
    `syntax|bad (?:command|sequence|parameter)|unrecogni[sz]ed command|not implemented|command${within(15)}(?:parameter|unknown|not)|protocol (?:error|violation)|improper|out of order`,
  ]),
  rule('policy', [
    `polic(?:y|ies)|not allowed|not permitted|not authori[sz]|unauthori[sz]|permission|prohibit|denied|refused|reject|authenticat|security|violat|forbidden|disallow|administrative|restrict|unacceptable|not accept|cannot send|can not send|redundant`,
  ]),
];

/**
 * Enhanced status (RFC 3463 §3 and the IANA registry) where it says enough; `x` is 4 or 5. The catch-alls
 * (x.0.0, x.7.1 …) are missing, and so is what servers use for anything.
 */
export const statusClasses: ReadonlyMap<string, FailureClass> = statusTable({
  'unknown-user': 'x.1.1 x.1.3 x.1.4 x.1.6 x.1.10 x.2.1 x.7.13 x.7.17 x.7.18 x.1.351', // 1.351: Microsoft's "remote server said so"
  dns: 'x.1.2 4.4.3 x.4.4 x.4.310 x.4.312',
  policy: 'x.1.7 x.1.8 x.1.9 x.7.2 x.7.7 x.7.20 x.7.21 x.7.22 x.7.26 x.7.27 x.7.29 x.7.509 x.7.512 x.7.515',
  'mailbox-full': 'x.2.2',
  content: 'x.2.3 x.3.4 x.6.1 x.6.2 x.6.3 x.6.4 x.6.5 x.6.6 x.6.7 x.6.8 x.6.9 x.6.10',
  unreachable: 'x.3.2 4.4.1 4.4.2 x.4.7 x.4.316',
  protocol: 'x.3.3 x.5.1 x.5.2 x.5.4 x.5.5',
  throttled: 'x.4.5 x.5.3 x.7.28 x.1.90 x.7.705',
  auth: 'x.5.6 x.7.8 x.7.12',
  tls: 'x.7.5 x.7.10 x.7.11 x.7.30',
  blocked: 'x.7.23 x.7.25 x.7.511 x.7.606 x.7.650 x.7.708',
});

/** Catch-alls of the status, when vague words said nothing either: by subject, and two by custom. */
export const vagueStatuses: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  // 450 4.7.1 without a reason is what greylisting looks like; 421 4.7.0 is what a limit looks like.
  ['4.7.1', 'greylisted'],
  ['4.7.0', 'throttled'],
  ['x.1', 'unknown-user'],
  ['x.4', 'unreachable'],
  ['x.6', 'content'],
  ['x.7', 'policy'],
]);

function statusTable(
  byClass: Readonly<Partial<Record<FailureClass, string>>>,
): ReadonlyMap<string, FailureClass> {
  const table = new Map<string, FailureClass>();
  for (const [failureClass, statuses] of Object.entries(byClass)) {
    for (const status of statuses.split(' ')) table.set(status, failureClass as FailureClass);
  }
  return table;
}

/**
 * What a code alone means, first with its phase (RFC 5321 §4.2.3, 4954 §6, 5248 §2.4, 7504). A refusal before
 * MAIL that gives no reason is nearly always about our address.
 */
export const codeClasses: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  ['421', 'unreachable'],
  ['432', 'auth'],
  ['452', 'unreachable'],
  ['454 auth', 'auth'],
  ['454', 'tls'],
  ['500', 'protocol'],
  ['501', 'protocol'],
  ['502', 'protocol'],
  ['503', 'protocol'],
  ['504', 'protocol'],
  ['521', 'unreachable'],
  ['523', 'tls'],
  ['530', 'auth'],
  ['534', 'auth'],
  ['535', 'auth'],
  ['538', 'auth'],
  ['550 rcpt', 'unknown-user'],
  ['551', 'unknown-user'],
  ['552 rcpt', 'mailbox-full'],
  ['552', 'content'],
  ['553 rcpt', 'unknown-user'],
  ['553', 'policy'],
  ['555', 'protocol'],
  ['556', 'dns'],
]);
