// DNS messages as bytes: the question that we send, and what an answer to it says.
// exchange.ts sends and receives the bytes; lookup.ts acts on the answers. The only user of dns-packet.
// Never throws on what the network sent: an answer that cannot be read is one of the answers.
import { isIPv4, isIPv6 } from 'node:net';
import { AUTHENTIC_DATA, decode, encode, RECURSION_DESIRED, type Answer as WireRecord } from 'dns-packet';
import {
  type Answer,
  isName,
  MAX_ALIASES,
  type Question,
  type RecordOf,
  type RecordType,
} from './question.ts';

/**
 * UDP payload that we offer: the largest that crosses nearly every path unfragmented (the flag day
 * value of 2020: IPv6's smallest MTU less its headers). Longer answers come by TCP.
 */
const UDP_PAYLOAD = 1232;

/** RFC 2181 §8: a TTL with its top bit set counts as zero. */
const LARGEST_TTL = 2 ** 31 - 1;

const NOERROR = 0;
const FORMERR = 1;
const NXDOMAIN = 3;
const NOTIMP = 4;
const RCODE_NAMES = new Map([
  [FORMERR, 'FORMERR'],
  [2, 'SERVFAIL'],
  [NOTIMP, 'NOTIMP'],
  [5, 'REFUSED'],
  [16, 'BADVERS'],
]);

/** A recursive query. AD asks for the AD flag in the answer without DNSSEC's records (RFC 6840 §5.7). */
export function encodeQuestion(id: number, { name, type }: Question, edns: boolean): Buffer {
  const opt: WireRecord = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_PAYLOAD,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ name, type }],
    additionals: edns ? [opt] : [],
  });
}

/** Reads an answer to the question that went out under this id. */
export function decodeAnswer<T extends RecordType>(
  bytes: Buffer,
  id: number,
  question: Question<T>,
): Answer<RecordOf[T]> {
  let message: Message;
  try {
    message = decode(bytes);
  } catch (error) {
    return { kind: 'unusable', reason: `malformed answer (${(error as Error).message})` };
  }
  const rcode = rcodeOf(message);
  if (!answers(message, rcode, id, question))
    return { kind: 'unusable', reason: 'an answer to another question' };
  if (message.flag_tc) return { kind: 'truncated' };
  if (rcode !== NOERROR && rcode !== NXDOMAIN)
    return { kind: 'error', reason: RCODE_NAMES.get(rcode) ?? `rcode ${rcode}` };
  const chain = followAliases(message, question.name.toLowerCase());
  if (!chain) return { kind: 'error', reason: `aliases in a loop, or more than ${MAX_ALIASES}` };
  // RFC 6604 §2.1: the rcode is about the last name of the chain.
  if (rcode === NXDOMAIN) return { kind: 'nxdomain', ttl: Math.min(negativeTtl(message) ?? 0, chain.ttl) };
  return readRecords(message, question, chain);
}

type Message = ReturnType<typeof decode>;

interface Chain {
  readonly target: string;
  readonly hops: number;
  readonly ttl: number;
}

/** The upper bits are in the OPT record (RFC 6891 §6.1.3): without them, BADVERS looks like NOERROR. */
function rcodeOf({ flags = 0, additionals = [] }: Message): number {
  const opt = additionals.find((record) => record.type === 'OPT');
  return ((opt?.extendedRcode ?? 0) << 4) | (flags & 0xf);
}

/** RFC 5452 §9.1: an answer repeats the id and the question. Names are compared without case. */
function answers(message: Message, rcode: number, id: number, question: Question): boolean {
  const { flag_qr, flags = 0, questions = [] } = message;
  const opcode = (flags >> 11) & 0xf;
  if (!flag_qr || opcode !== 0 || message.id !== id) return false;
  const [asked] = questions;
  // RFC 6891 §7: who does not know EDNS0 may send back a bare header.
  if (!asked) return rcode === FORMERR || rcode === NOTIMP;
  return (
    questions.length === 1 &&
    asked.type === question.type &&
    asked.class === 'IN' &&
    asked.name.toLowerCase() === question.name.toLowerCase()
  );
}

function readRecords<T extends RecordType>(
  message: Message,
  question: Question<T>,
  chain: Chain,
): Answer<RecordOf[T]> {
  const authenticated = message.flag_ad;
  const own = recordsOf(message, chain.target).filter(({ type }) => type === question.type);
  if (own.length > 0) {
    const records = own.map(readers[question.type]).filter((record) => record !== null);
    if (records.length === 0) return { kind: 'error', reason: `no readable ${question.type} record` };
    return { kind: 'records', records, ttl: Math.min(chain.ttl, ...own.map(ttlOf)), authenticated };
  }
  const ttl = negativeTtl(message);
  if (ttl !== null) return { kind: 'no-data', ttl: Math.min(ttl, chain.ttl) };
  if (chain.hops > 0) {
    if (!isName(chain.target)) return { kind: 'error', reason: 'an alias to what is no name' };
    return { kind: 'alias', ...chain, authenticated };
  }
  // RFC 2308 §2.2: nothing but name servers in the authority section refers us elsewhere, it is no answer.
  if (message.authorities?.some(({ type }) => type === 'NS'))
    return { kind: 'error', reason: 'a referral: the server does not resolve for us' };
  return { kind: 'no-data', ttl: 0 };
}

/** Where the CNAMEs of this message lead from a name; null for a loop or too long a chain. */
function followAliases(message: Message, name: string): Chain | null {
  let target = name;
  let ttl = LARGEST_TTL;
  for (let hops = 0; hops <= MAX_ALIASES; hops++) {
    const alias = recordsOf(message, target).find((record) => record.type === 'CNAME');
    if (alias?.type !== 'CNAME') return { target, hops, ttl };
    target = alias.data.toLowerCase();
    ttl = Math.min(ttl, ttlOf(alias));
  }
  return null;
}

function recordsOf(message: Message, name: string): WireRecord[] {
  return (message.answers ?? []).filter((record) => record.name.toLowerCase() === name);
}

/** RFC 2308 §5: the lesser of the SOA's own TTL and its minimum; null without an SOA. */
function negativeTtl(message: Message): number | null {
  const soa = message.authorities?.find((record) => record.type === 'SOA');
  if (soa?.type !== 'SOA') return null;
  return Math.min(ttlOf(soa), soa.data.minimum ?? 0);
}

function ttlOf(record: WireRecord): number {
  const ttl = 'ttl' in record ? (record.ttl ?? 0) : 0;
  return ttl > LARGEST_TTL ? 0 : ttl;
}

const readers: { readonly [T in RecordType]: (record: WireRecord) => RecordOf[T] | null } = {
  A: (record) => (record.type === 'A' && isIPv4(record.data) ? record.data : null),
  AAAA: (record) => (record.type === 'AAAA' && isIPv6(record.data) ? record.data : null),
  MX: (record) => {
    if (record.type !== 'MX') return null;
    const exchange = record.data.exchange.toLowerCase();
    if (exchange === '.') return { preference: record.data.preference ?? 0, exchange: '' };
    return isName(exchange) ? { preference: record.data.preference ?? 0, exchange } : null;
  },
};
