// How to log in: which mechanism of those that a host offers, and how the ones with a token are spoken.
// connection.ts asks after EHLO; nodemailer speaks PLAIN, LOGIN and CRAM-MD5 itself.
// Never picks one that shows the password to the wire where another would not.
import type { SMTPConnectionCustomAuthHandlers } from 'nodemailer/lib/smtp-connection';
import type { PasswordAuth } from '../policy/auth.ts';

/** A login with an access token in place of a password. */
export interface TokenLogin {
  readonly kind: 'token';
  readonly user: string;
  readonly token: string;
  /** Log in without TLS too. */
  readonly cleartext: boolean;
}

export type Login = PasswordAuth | TokenLogin;

export type Mechanism = 'PLAIN' | 'LOGIN' | 'CRAM-MD5' | 'XOAUTH2' | 'OAUTHBEARER';

/**
 * Inside TLS the password itself, as RFC 8314 expects: it works with every account, while CRAM-MD5 fails for
 * accounts whose passwords the server keeps hashed, though it is offered to all. In clear CRAM-MD5 first:
 * it alone keeps the password from who listens (RFC 2195).
 */
const ofPasswords: Readonly<Record<'inTls' | 'inClear', readonly Mechanism[]>> = {
  inTls: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
  inClear: ['CRAM-MD5', 'PLAIN', 'LOGIN'],
};

/** Providers who offer both document XOAUTH2; OAUTHBEARER (RFC 7628) says the same to all others. */
const ofTokens: readonly Mechanism[] = ['XOAUTH2', 'OAUTHBEARER'];

/** Mechanisms in the lines of EHLO, in capitals; some old servers write `AUTH=LOGIN`. */
export function offeredMechanisms(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const [keyword = '', ...mechanisms] = line.toUpperCase().split(/[ =]+/);
    return keyword === 'AUTH' ? mechanisms : [];
  });
}

/** Null when the host offers none that the login can use. */
export function mechanismFor(login: Login, offered: readonly string[], secure: boolean): Mechanism | null {
  return usable(login, secure).find((mechanism) => offered.includes(mechanism)) ?? null;
}

export function noMechanism(login: Login): string {
  return `the host offers none of AUTH ${usable(login, true).join(', ')}`;
}

function usable({ kind }: Login, secure: boolean): readonly Mechanism[] {
  if (kind === 'token') return ofTokens;
  return secure ? ofPasswords.inTls : ofPasswords.inClear;
}

/**
 * nodemailer's name for a mechanism. Those with a token have names of our own: for a plain `XOAUTH2` it
 * would take the first mechanism offered, and show the token as if it were a password.
 */
export function methodOf({ kind }: Login, mechanism: Mechanism): string {
  return kind === 'token' ? `TOKEN-${mechanism}` : mechanism;
}

/** For nodemailer: the mechanisms with a token, each with its answer to the reasons of a refusal. */
export const tokenMethods: SMTPConnectionCustomAuthHandlers = {
  'TOKEN-XOAUTH2': bearer('XOAUTH2', (user, token) => `user=${user}\x01auth=Bearer ${token}\x01\x01`, ''),
  // RFC 7628 §3.1; §3.2.3: a lone %x01 asks for the 535 behind the 334.
  'TOKEN-OAUTHBEARER': bearer(
    'OAUTHBEARER',
    (user, token) => `n,a=${saslName(user)},\x01auth=Bearer ${token}\x01\x01`,
    '\x01',
  ),
};

/** RFC 5801 §4: a comma and an equals sign would end the name. */
function saslName(user: string): string {
  return user.replaceAll('=', '=3D').replaceAll(',', '=2C');
}

function bearer(
  mechanism: Mechanism,
  response: (user: string, token: string) => string,
  goOn: string,
): SMTPConnectionCustomAuthHandlers[string] {
  return async ({ auth, sendCommand }) => {
    const { user = '', pass = '' } = auth.credentials ?? {};
    const first = await sendCommand(`AUTH ${mechanism} ${base64(response(user, pass))}`);
    const last = first.status === 334 ? await sendCommand(base64(goOn)) : first;
    if (last.status !== 235) throw new Error('the token was refused');
  };
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
