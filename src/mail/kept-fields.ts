// The values of some header fields, taken from a message while it streams by.
// completion.ts shows it the lines; rules by header look at what it kept, now and at each later decision.
// Never changes what passes, and never keeps more than a bounded part of it.
import type { MailHeader } from './envelope.ts';

/** Octets of one field: a long DKIM-Signature or a To with a hundred addresses, not an attachment in a header. */
const LONGEST_FIELD = 4_096;

/** Octets of all fields together: they stand in the record of the message, and a record stays a few pages. */
const LONGEST_ALL = 16_384;

/** What a value costs besides its octets, so that ten thousand empty fields are not kept either. */
const COST_OF_ONE = 32;

export class KeptFields {
  readonly #names: ReadonlySet<string>;
  readonly #values: (readonly [name: string, value: string])[] = [];
  #room = LONGEST_ALL;
  /** The field that is being read, if it is a wanted one. */
  #name: string | null = null;
  #octets: Buffer[] = [];
  #size = 0;

  /** Names in lower case. */
  constructor(names: ReadonlySet<string>) {
    this.#names = names;
  }

  /** A field begins, and so the one before has ended. */
  begin(name: string): void {
    this.#end();
    if (this.#names.has(name) && this.#room > COST_OF_ONE) this.#name = name;
  }

  /**
   * The octets of `data` from `start` to `end` belong to the field that has begun; its name is among them.
   * What is beyond the bounds is cut off.
   */
  add(data: Buffer, start: number, end: number): void {
    if (this.#name === null) return;
    const size = Math.min(end - start, LONGEST_FIELD - this.#size, this.#room - this.#size);
    if (size <= 0) return;
    // A copy: the chunk belongs to whoever writes it.
    this.#octets.push(Buffer.from(data.subarray(start, start + size)));
    this.#size += size;
  }

  /** The header has ended. */
  header(): MailHeader {
    this.#end();
    const header: Record<string, string[]> = Object.create(null);
    for (const [name, value] of this.#values) {
      header[name] ??= [];
      header[name].push(value);
    }
    return { ...header };
  }

  #end(): void {
    if (this.#name === null) return;
    this.#values.push([this.#name, unfolded(Buffer.concat(this.#octets))]);
    this.#room -= this.#size + COST_OF_ONE;
    this.#name = null;
    this.#octets = [];
    this.#size = 0;
  }
}

/** The value of a field (RFC 5322 §2.2.3), without the spaces around it. */
function unfolded(field: Buffer): string {
  const text = field.toString('utf8');
  return text
    .slice(text.indexOf(':') + 1)
    .replace(/\r\n/g, '')
    .trim();
}
