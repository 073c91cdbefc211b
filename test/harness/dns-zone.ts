// What the test's DNS server knows, and the answers that follow from it.
// dns-server.ts brings questions and sends the bytes; tests fill it through the server.
// Never touches a socket.
import {
  type Answer,
  AUTHENTIC_DATA,
  encode,
  type Packet,
  type Question,
  RECURSION_AVAILABLE,
  streamEncode,
  TRUNCATED_RESPONSE,
} from 'dns-packet';

const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;

export interface DnsEntry {
  /** Preference and exchange; `[[0, '.']]` is the null MX. */
  readonly mx?: readonly (readonly [preference: number, exchange: string])[];
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly cname?: string;
  /** Answer with the CNAME alone, as an authoritative server of another zone does. */
  readonly bareCname?: boolean;
  /** Seconds, for records and for their absence. */
  readonly ttl?: number;
  readonly rcode?: 'SERVFAIL' | 'NXDOMAIN' | 'REFUSED' | 'FORMERR' | 'NOTIMP';
  /** The rcode is given to questions with EDNS0 only. */
  readonly noEdns?: boolean;
  /** Empty UDP answers with TC; the records come over TCP. */
  readonly truncate?: boolean;
  /** No answer at all. */
  readonly drop?: boolean;
  readonly delayMs?: number;
  /** Bytes that are no DNS message, over both transports, or over UDP alone. */
  readonly garbage?: boolean | 'udp';
  /** Over UDP, an answer with a wrong id or for another question. */
  readonly forge?: 'id' | 'question';
  /** The AD flag. */
  readonly authenticated?: boolean;
  /** No SOA beside a negative answer. */
  readonly noSoa?: boolean;
}

/** Records that are not given a TTL live for 5 minutes, absence for 1: long in a test, short on its clock. */
const POSITIVE_TTL = 300;
const NEGATIVE_TTL = 60;
/** A chain of aliases longer than this is a loop. */
const MAX_ALIASES = 16;

export type Reply = { readonly packet: Packet; readonly entry: DnsEntry | undefined };

export class Zone {
  readonly #entries = new Map<string, DnsEntry>();

  set(name: string, entry: DnsEntry): void {
    this.#entries.set(name.toLowerCase(), entry);
  }

  remove(name: string): void {
    this.#entries.delete(name.toLowerCase());
  }

  find(name: string): DnsEntry | undefined {
    const exact = this.#entries.get(name);
    if (exact) return exact;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const wildcard = this.#entries.get(`*${name.slice(dot)}`);
      if (wildcard) return wildcard;
    }
    return undefined;
  }

  answer(query: Packet, question: Question): Reply {
    const name = question.name.toLowerCase();
    const entry = this.find(name);
    const edns = query.additionals?.some(({ type }) => type === 'OPT') ?? false;
    const forced = entry?.rcode !== undefined && (!entry.noEdns || edns) ? entry.rcode : undefined;
    const { answers, end } =
      forced === undefined ? this.#chase(question, entry) : { answers: [], end: undefined };
    const rcode = forced ?? (end ? 'NOERROR' : 'NXDOMAIN');
    const wanted = answers.some(({ type }) => type === question.type);
    const bare = entry?.noSoa || (answers.length > 0 && entry?.bareCname);
    const negative = !wanted && !bare && (rcode === 'NOERROR' || rcode === 'NXDOMAIN');
    const flags = RECURSION_AVAILABLE | (entry?.authenticated ? AUTHENTIC_DATA : 0) | rcodes[rcode];
    const authorities = negative ? [soa(entry)] : [];
    return {
      packet: { type: 'response', id: query.id ?? 0, flags, questions: [question], answers, authorities },
      entry,
    };
  }

  /** Follows aliases as a recursive resolver does; `end` is the entry where the chain stops. */
  #chase(question: Question, first: DnsEntry | undefined) {
    const answers: Answer[] = [];
    let name = question.name;
    let end = first;
    while (end?.cname !== undefined && answers.length < MAX_ALIASES) {
      answers.push({ type: 'CNAME', name, ttl: end.ttl ?? POSITIVE_TTL, data: end.cname });
      if (end.bareCname) return { answers, end };
      name = end.cname;
      end = this.find(name.toLowerCase());
    }
    if (end) answers.push(...records(name, question.type, end));
    return { answers, end };
  }
}

function records(name: string, type: string, entry: DnsEntry): Answer[] {
  const ttl = entry.ttl ?? POSITIVE_TTL;
  if (type === 'MX')
    return (entry.mx ?? []).map(([preference, exchange]) => ({
      type,
      name,
      ttl,
      data: { preference, exchange },
    }));
  if (type === 'A') return (entry.a ?? []).map((data) => ({ type, name, ttl, data }));
  if (type === 'AAAA') return (entry.aaaa ?? []).map((data) => ({ type, name, ttl, data }));
  return [];
}

function soa(entry: DnsEntry | undefined): Answer {
  const ttl = entry?.ttl ?? NEGATIVE_TTL;
  const data = { mname: 'ns.test', rname: 'hostmaster.test', serial: 1, minimum: ttl };
  return { type: 'SOA', name: 'test', ttl, data };
}

/** The bytes to send, or null when nothing is to be sent. */
export function encodeReply({ packet, entry }: Reply, via: 'udp' | 'tcp'): Buffer | null {
  if (entry?.drop) return null;
  if (entry?.garbage === true || (entry?.garbage === 'udp' && via === 'udp')) {
    const noise = Buffer.from('not a DNS message, whoever reads it');
    return via === 'udp' ? noise : Buffer.concat([Buffer.from([0, noise.length]), noise]);
  }
  if (via === 'tcp') return streamEncode(packet);
  if (entry?.truncate)
    return encode({
      ...packet,
      flags: (packet.flags ?? 0) | TRUNCATED_RESPONSE,
      answers: [],
      authorities: [],
    });
  if (entry?.forge === 'id') return encode({ ...packet, id: ((packet.id ?? 0) + 1) & 0xffff });
  if (entry?.forge === 'question')
    return encode({ ...packet, questions: [{ type: 'A', name: 'forged.test' }] });
  return encode(packet);
}
