// The large providers as sites that ship: names of their MX hosts and numbers they are known to take. Data only.
// compile-sites.ts reads it like an operator's own keys, which stand above it one by one.
// Never a number that a sender in good standing could not do with: who knows better says so in the policy.

/** Written as in a policy. */
export interface ShippedBackoff {
  readonly reply: string;
  readonly suspend?: string;
  readonly slow?: string;
  readonly for?: string;
}

export interface ShippedSite {
  readonly mx: readonly string[];
  readonly connections: number;
  readonly messagesPerConnection: number;
  /** Before `commonBackoff`. */
  readonly backoff?: readonly ShippedBackoff[];
}

/** What anybody's reply may say. Connections that are refused at the door need no rule: they are found out. */
export const commonBackoff: readonly ShippedBackoff[] = [
  { reply: '*too many connections*', slow: 'half', for: '10m' },
  { reply: '*too many concurrent*', slow: 'half', for: '10m' },
  { reply: '*rate limited*', slow: 'half', for: '30m' },
];

export const providers: Readonly<Record<string, ShippedSite>> = {
  google: {
    mx: ['*.google.com', '*.googlemail.com'],
    connections: 10,
    messagesPerConnection: 50,
    backoff: [
      // An unusual rate of mail from our address, or of unsolicited mail.
      { reply: '4*4.7.28*', slow: 'half', for: '1h' },
      { reply: '4*4.7.0*unusual rate*', slow: 'half', for: '1h' },
    ],
  },
  // Microsoft 365: one host name for each tenant, the same machines for all.
  microsoft: {
    mx: ['*.mail.protection.outlook.com', '*.mx.microsoft'],
    connections: 10,
    messagesPerConnection: 50,
    backoff: [
      // "Server busy": too much mail from an address without a history.
      { reply: '4*4.7.500*', slow: 'half', for: '30m' },
    ],
  },
  // outlook.com, hotmail.com, live.com, msn.com.
  outlook: {
    mx: ['*.olc.protection.outlook.com'],
    connections: 5,
    messagesPerConnection: 50,
    backoff: [
      // Limited for the reputation of our address: more mail makes it worse.
      { reply: '4*4.7.650*', suspend: '1h' },
      { reply: '4*rp-001*', suspend: '1h' },
    ],
  },
  // AOL and a good part of Verizon's and AT&T's mail too.
  yahoo: {
    mx: ['*.yahoodns.net'],
    connections: 5,
    // Its postmasters ask for no more than 20.
    messagesPerConnection: 20,
    backoff: [
      { reply: '4*[tss04]*', suspend: '1h' },
      { reply: '4*[ts01]*', suspend: '1h' },
      { reply: '4*[ts02]*', suspend: '1h' },
    ],
  },
  icloud: { mx: ['*.mail.icloud.com'], connections: 5, messagesPerConnection: 50 },
  comcast: { mx: ['*.comcast.net'], connections: 5, messagesPerConnection: 50 },
  'mail-ru': { mx: ['mxs.mail.ru', 'emx.mail.ru'], connections: 5, messagesPerConnection: 50 },
  yandex: { mx: ['mx.yandex.ru', 'mx.yandex.net'], connections: 5, messagesPerConnection: 50 },
  // GMX, Web.de and mail.com are one house.
  gmx: {
    mx: ['*.gmx.net', '*.web.de', 'mx00.mail.com', 'mx01.mail.com'],
    connections: 5,
    messagesPerConnection: 50,
  },
  't-online': {
    mx: ['mx00.t-online.de', 'mx01.t-online.de', 'mx02.t-online.de', 'mx03.t-online.de'],
    connections: 3,
    messagesPerConnection: 50,
  },
  orange: { mx: ['smtp-in.orange.fr'], connections: 2, messagesPerConnection: 50 },
  free: { mx: ['mx1.free.fr', 'mx2.free.fr'], connections: 2, messagesPerConnection: 50 },
  sfr: { mx: ['smtp-in.sfr.fr'], connections: 2, messagesPerConnection: 50 },
  libero: { mx: ['smtp-in.libero.it'], connections: 3, messagesPerConnection: 50 },
  qq: { mx: ['*.qq.com'], connections: 5, messagesPerConnection: 50 },
  netease: { mx: ['*.mxmail.netease.com'], connections: 5, messagesPerConnection: 50 },
  proton: {
    mx: ['mail.protonmail.ch', 'mailsec.protonmail.ch'],
    connections: 5,
    messagesPerConnection: 50,
  },
};
