// Which way to log in of those that a host offers.
// connection.ts asks after EHLO; nodemailer speaks the mechanism.
// Never picks one that shows the password to the wire where another would not.

export type PasswordMechanism = 'PLAIN' | 'LOGIN' | 'CRAM-MD5';

/**
 * Inside TLS the password itself, as RFC 8314 expects: it works with every account, while CRAM-MD5 fails for
 * accounts whose passwords the server keeps hashed, though it is offered to all. In clear CRAM-MD5 first:
 * it alone keeps the password from who listens (RFC 2195).
 */
const byPreference: Readonly<Record<'inTls' | 'inClear', readonly PasswordMechanism[]>> = {
  inTls: ['PLAIN', 'LOGIN', 'CRAM-MD5'],
  inClear: ['CRAM-MD5', 'PLAIN', 'LOGIN'],
};

/** Null when the host offers none that we know. `offered` in capitals. */
export function passwordMechanism(offered: readonly string[], secure: boolean): PasswordMechanism | null {
  const known = secure ? byPreference.inTls : byPreference.inClear;
  return known.find((mechanism) => offered.includes(mechanism)) ?? null;
}
