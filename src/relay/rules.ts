// What all sessions of one listener go by: its settings, and the parts of the house that they may use.
// Made by listener.ts from its options; read by the session and everything under it.
// Never changes while the listener is open.
import type { Clock } from '../clock/clock.ts';
import type { ReachMilestone } from '../clock/milestones.ts';
import type { LimitSettings, ListenerSettings } from '../config/settings.ts';
import type { Observer } from '../observe/events.ts';
import type { Intake } from './intake.ts';
import type { SharedClientLimits } from './limits.ts';

export interface SessionRules {
  readonly listener: ListenerSettings;
  /** Our name: in the banner, in EHLO, in 421. */
  readonly hostname: string;
  /** Domain for addresses of trusted clients that have none. */
  readonly qualify: string | null;
  /** Where `<postmaster>` without a domain goes. */
  readonly postmaster: string | null;
  readonly limits: LimitSettings;
  readonly intake: Intake;
  readonly clock: Clock;
  readonly observer: Observer;
  /** One for all listeners. */
  readonly shared: SharedClientLimits;
  readonly reached: ReachMilestone;
  /** STARTTLS is offered: the listener says so and has a certificate. */
  readonly startTls: boolean;
}

/** The client at the other end, as far as rules can depend on it. */
export interface Peer {
  /** IP address. */
  readonly client: string;
  /** The listener's port. */
  readonly port: number;
  /** In a trusted network: may relay. */
  readonly trusted: boolean;
  /** Null in clear text. */
  tls(): { readonly version: string; readonly cipher: string } | null;
}
