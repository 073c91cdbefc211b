// What delivery may ask the DNS, and the three ways an answer can be missing.
// stub.ts answers over dns-packet; delivery/ asks; nothing else does.
// Never says "no such domain" for a question that nobody answered.

/**
 * Records, or one of: the name does not exist, it exists without such records, nobody could say. `ttl` in
 * seconds from now; `authenticated` is the servers' AD flag, worth as much as the path to them.
 */
export type Lookup<T> =
  | {
      readonly kind: 'found';
      readonly records: readonly T[];
      readonly ttl: number;
      readonly authenticated: boolean;
    }
  | { readonly kind: 'nxdomain'; readonly ttl: number }
  | { readonly kind: 'no-data'; readonly ttl: number }
  /**
   * `ours`: no server answered anything, about other names neither, so the fault is on our side; or the lookup
   * was given up by its askers or at its deadline.
   */
  | { readonly kind: 'failed'; readonly reason: string; readonly ours: boolean };

export interface MxRecord {
  readonly preference: number;
  /** Lower case, no trailing dot; `''` is the null MX (RFC 7505). */
  readonly exchange: string;
}

export interface Resolver {
  /** CNAMEs are followed. Domains are A-labels without a trailing dot. */
  mx(domain: string, signal?: AbortSignal): Promise<Lookup<MxRecord>>;
  a(name: string, signal?: AbortSignal): Promise<Lookup<string>>;
  aaaa(name: string, signal?: AbortSignal): Promise<Lookup<string>>;
  /** Whether any server answered anything lately; asks one when nobody did. For /readyz. */
  healthy(signal?: AbortSignal): Promise<boolean>;
  close(): void;
}
