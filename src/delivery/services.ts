// Providers that routes may name instead of their hosts: the list that nodemailer carries.
// config/load-policy.ts hands it to the policy's schema, which puts the address in the name's place.
// Never asked after the policy is loaded; never trusted for more than host, port and kind of TLS.
import services from 'nodemailer/lib/well-known/services.json' with { type: 'json' };
import type { KnownServices, SmarthostAddress } from '../policy/policy.ts';

/** One entry, as far as we use it. Some ports are written as text, some are left out. */
interface Entry {
  readonly host?: string;
  readonly port?: number | string;
  readonly secure?: boolean;
  readonly aliases?: readonly string[];
}

/** RFC 6409 §3.1, and RFC 8314 §3.3 for TLS from the first octet. */
const SUBMISSION_PORT = 587;
const SUBMISSIONS_PORT = 465;

/** By name and alias, in lower case without spaces. Test tools without a host of their own are left out. */
export const knownServices: KnownServices = new Map(
  Object.entries(services as Readonly<Record<string, Entry>>).flatMap(([name, entry]) => {
    const address = addressOf(entry);
    const names = [name, ...(entry.aliases ?? [])];
    return address === null ? [] : names.map((one) => [keyOf(one), address] as const);
  }),
);

function keyOf(name: string): string {
  return name.toLowerCase().replaceAll(' ', '');
}

function addressOf({ host, port: written, secure }: Entry): SmarthostAddress | null {
  if (host === undefined) return null;
  const port = Number(written ?? SUBMISSION_PORT);
  return { host, port, implicitTls: secure ?? port === SUBMISSIONS_PORT, weight: 1 };
}
