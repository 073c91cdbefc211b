// What TLS means under each policy: which certificates, names and versions are good enough.
// connection.ts asks for the options of a handshake; delivery.ts makes this once.
// Never lets opportunistic TLS fail where plain text would pass: it verifies nothing.

import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  createSecureContext,
  DEFAULT_CIPHERS,
  getCACertificates,
  type SecureContext,
} from 'node:tls';
import type { TlsPolicy } from '../policy/policy.ts';

export class TlsManners {
  #lenient: SecureContext | null = null;
  #strict: SecureContext | null = null;
  readonly #ca: string | undefined;

  /** `ca`: an authority to trust besides the system's, PEM. */
  constructor(ca: string | undefined) {
    this.#ca = ca;
  }

  /** Options of a handshake with `host`, whose name goes out as SNI (RFC 6066 §3: never an address). */
  options(policy: TlsPolicy, host: string): ConnectionOptions {
    const verified = policy === 'verified';
    return {
      secureContext: verified ? this.#verifying() : this.#accepting(),
      rejectUnauthorized: verified,
      ...(isIP(host) === 0 && { servername: host }),
    };
  }

  /** Old versions and short keys are still better than plain text, the alternative (RFC 7435 §3). */
  #accepting(): SecureContext {
    this.#lenient ??= createSecureContext({ minVersion: 'TLSv1', ciphers: `${DEFAULT_CIPHERS}:@SECLEVEL=0` });
    return this.#lenient;
  }

  /** RFC 8997, 9325 §3.1.1: TLS 1.2 at least. */
  #verifying(): SecureContext {
    const ca = this.#ca === undefined ? getCACertificates() : [...getCACertificates(), this.#ca];
    this.#strict ??= createSecureContext({ minVersion: 'TLSv1.2', ca });
    return this.#strict;
  }
}
