// The daemon's settings as the rest of the house uses them: checked, absolute, in octets and ms.
// load.ts makes them from sendoff.yaml and the environment; daemon.ts hands each part its own.
// Never holds what happens to mail: that is policy.

export interface ListenerSettings {
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
  readonly content: 'repair' | 'strict';
  readonly tls: 'none' | 'starttls' | 'implicit';
}

export interface TlsSettings {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
}

export interface LimitSettings {
  /** Octets. */
  readonly messageSize: number;
  readonly recipients: number;
  readonly connections: number;
  readonly connectionsPerClient: number;
  readonly messagesPerConnection: number;
  readonly rate: { readonly count: number; readonly per: number };
  /** Apply rate and limits per client to trusted clients too. */
  readonly trusted: boolean;
}

export interface Settings {
  /** sendoff.yaml, absolute; null when there is none. */
  readonly file: string | null;
  readonly hostname: string;
  readonly postmaster: string | null;
  readonly qualify: string | null;
  /** Absolute. */
  readonly data: string;
  readonly shutdownTimeout: number;
  readonly listeners: readonly ListenerSettings[];
  /** `address/prefix`. */
  readonly trusted: readonly string[];
  readonly limits: LimitSettings;
  readonly tls: TlsSettings | null;
  /** Null: embedded. */
  readonly redisUrl: string | null;
  readonly spool: { readonly minFree: number };
  /** `address:port`, IPv6 in brackets; null: the system's. */
  readonly dns: { readonly servers: readonly string[] | null };
  readonly delivery: {
    readonly port: number;
    readonly ip: 'both' | 4 | 6;
    readonly connections: number;
    /** `address/prefix`. */
    readonly allowNetworks: readonly string[];
    /** For routes that do not say. */
    readonly softBounce: boolean;
  };
  /** Absolute file or folder; null: the built-in policy (everything direct). */
  readonly policy: string | null;
  readonly admin: { readonly address: string; readonly port: number; readonly token: string | null };
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error' };
}
