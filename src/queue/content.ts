// The content of a message on its way into the spool, as the policy wants it: senders rewritten, fields kept.
// intake.ts pushes what a client sends, send.ts what an operator hands in; mail/ does the work.
// Never holds content: what it gets it hands on.
import { type CompletedHeader, type CompletionOptions, HeaderCompletion } from '../mail/completion.ts';
import type { MailHeader } from '../mail/envelope.ts';
import type { FieldFilter } from '../mail/field-filter.ts';
import { fromRewriting } from '../mail/from-rewrite.ts';
import type { Policy } from '../policy/policy.ts';

/** One message: push() every chunk in order, then end() once. */
export class IncomingContent {
  readonly #completion: HeaderCompletion;
  /** Null: the policy rewrites no senders, and nothing is looked at twice. */
  readonly #from: FieldFilter | null;

  constructor(options: Omit<CompletionOptions, 'keeps'>, { headerFields, rewrite }: Policy) {
    this.#completion = new HeaderCompletion({ ...options, keeps: headerFields });
    const { senders } = rewrite;
    this.#from = senders.isEmpty ? null : fromRewriting((address) => senders.targetsOf(address)?.[0] ?? null);
  }

  /** What to write for this chunk, in order. */
  push(chunk: Buffer): Buffer[] {
    if (this.#from === null) return this.#completion.push(chunk);
    return this.#from.push(chunk).flatMap((piece) => this.#completion.push(piece));
  }

  end(): CompletedHeader {
    if (this.#from === null) return this.#completion.end();
    const rest = this.#from.end().flatMap((piece) => this.#completion.push(piece));
    const { tail, ...found } = this.#completion.end();
    return { ...found, tail: [...rest, ...tail] };
  }
}

/** The fields that rules look at, of content that the daemon wrote itself. */
export function keptHeader(content: Buffer, { headerFields }: Policy): MailHeader {
  if (headerFields.size === 0) return {};
  const own = { received: null, at: 0, id: '', hostname: '' };
  const completion = new HeaderCompletion({ ...own, keeps: headerFields });
  completion.push(content);
  return completion.end().header;
}

/** As a message keeps it: no policy that looks at nothing costs its records anything. */
export function headerOf(header: MailHeader): { readonly header?: MailHeader } {
  return Object.keys(header).length === 0 ? {} : { header };
}
