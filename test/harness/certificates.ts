// A certificate authority of the tests' own, and certificates that it signs, made when first asked for.
// Used by smtp-peer.ts and by every test of TLS; each is made once a process.
// Never stored: no key of a test lies in the repository.
import { generate } from 'selfsigned';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** What is wrong with a certificate, if anything. */
export type CertificateKind = 'good' | 'self-signed' | 'expired';

const DAY = 24 * 60 * 60 * 1000;
const made = new Map<string, Promise<Certificate>>();

/** The authority that signs all good and expired certificates; `cert` is what a client has to trust. */
export function authority(): Promise<Certificate> {
  return once('authority', () => make('Sendoff test authority', [], { isAuthority: true }));
}

/** A certificate for the DNS names and IP addresses, the first of which is its subject. */
export function certificateFor(
  names: readonly [string, ...string[]],
  kind: CertificateKind = 'good',
): Promise<Certificate> {
  return once(`${kind} ${names.join(' ')}`, async () => {
    if (kind === 'self-signed') return make(names[0], names, {});
    const ca = await authority();
    return make(names[0], names, { ca, expired: kind === 'expired' });
  });
}

function once(key: string, produce: () => Promise<Certificate>): Promise<Certificate> {
  const known = made.get(key) ?? produce();
  made.set(key, known);
  return known;
}

interface Making {
  readonly isAuthority?: boolean;
  readonly ca?: Certificate;
  readonly expired?: boolean;
}

async function make(subject: string, names: readonly string[], making: Making): Promise<Certificate> {
  const now = Date.now();
  const pems = await generate([{ name: 'commonName', value: subject }], {
    keyType: 'ec',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - 30 * DAY),
    notAfterDate: new Date(making.expired ? now - DAY : now + 30 * DAY),
    ...(making.ca && { ca: making.ca }),
    extensions: making.isAuthority
      ? [
          { name: 'basicConstraints', cA: true, critical: true },
          { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
        ]
      : [
          { name: 'basicConstraints', cA: false },
          { name: 'keyUsage', digitalSignature: true },
          { name: 'extKeyUsage', serverAuth: true },
          { name: 'subjectAltName', altNames: names.map(altName) },
        ],
  });
  return { key: pems.private, cert: pems.cert };
}

function altName(name: string): { type: 2; value: string } | { type: 7; ip: string } {
  return /^[\d.]+$|:/.test(name) ? { type: 7, ip: name } : { type: 2, value: name };
}
