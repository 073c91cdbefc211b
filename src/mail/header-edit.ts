// What a rule changes in the header of a message on its way out.
// policy/ reads it from YAML, an entry of the queue keeps it, queue/attempt.ts sends the content through it.
// Never touches what is in the spool: recipients of one message may have different edits.
import type { Body } from '../spool/spool.ts';
import { FieldFilter } from './field-filter.ts';

export interface HeaderEdit {
  /** Put above the client's own fields, in this order. Values are one line of printable ASCII. */
  readonly add: readonly { readonly name: string; readonly value: string }[];
  /** Names in lower case; every field of that name goes. */
  readonly remove: readonly string[];
}

/**
 * The content as the recipients of this edit get it, with its exact size. Of a stream the header is read
 * once more than it is sent. Rejects as reading rejects.
 */
export async function edited(body: Body, edit: HeaderEdit): Promise<Body> {
  const added = addedFields(edit);
  if (body.kind === 'buffer') {
    const filter = removing(edit);
    return { kind: 'buffer', data: Buffer.concat([added, ...filter.push(body.data), ...filter.end()]) };
  }
  const removed = edit.remove.length === 0 ? 0 : await sizeOfRemoved(body, edit);
  return {
    kind: 'stream',
    size: body.size - removed + added.length,
    open: () => {
      const source = body.open();
      const blocks = editedBlocks(source, added, removing(edit));
      return { [Symbol.asyncIterator]: () => blocks, destroy: () => source.destroy() };
    },
  };
}

function addedFields({ add }: HeaderEdit): Buffer {
  return Buffer.from(add.map(({ name, value }) => `${name}: ${value}\r\n`).join(''), 'latin1');
}

function removing({ remove }: HeaderEdit): FieldFilter {
  const names = new Set(remove);
  return new FieldFilter({
    fateOf: (name) => (names.has(name) ? 'drop' : 'pass'),
    replace: (field) => field,
  });
}

async function* editedBlocks(
  source: AsyncIterable<Buffer>,
  added: Buffer,
  filter: FieldFilter,
): AsyncGenerator<Buffer> {
  if (added.length > 0) yield added;
  for await (const chunk of source) yield* filter.push(chunk);
  yield* filter.end();
}

/** Reads no further than the header goes. */
async function sizeOfRemoved(body: Extract<Body, { kind: 'stream' }>, edit: HeaderEdit): Promise<number> {
  const filter = removing(edit);
  const source = body.open();
  let removed = 0;
  try {
    for await (const chunk of source) {
      removed += chunk.length - total(filter.push(chunk));
      if (filter.inBody) return removed;
    }
    return removed - total(filter.end());
  } finally {
    source.destroy();
  }
}

function total(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}
