// What is said once a new message is on disk: that it was accepted, what of it ended at once, what is held.
// intake.ts calls it for clients' mail and notices, bounce.ts for reports; then its destinations get to know.
// Never said of what is not on disk.
import type { Message } from '../mail/envelope.ts';
import type { MailEvent, Observer } from '../observe/events.ts';
import type { DestinationKey, QueueEntry } from './entry.ts';
import type { Discarded } from './placement.ts';

export interface Added {
  readonly message: Message;
  /** The envelope before policy made another one of it. */
  readonly given: Pick<Message, 'from' | 'recipients'>;
  readonly entries: readonly QueueEntry[];
  readonly discarded: readonly Discarded[];
}

export function tellAdded(
  added: Added,
  observer: Observer,
  arrived: (destinations: Iterable<DestinationKey>) => void,
): void {
  observer.event(acceptedEvent(added));
  const { message, entries, discarded } = added;
  const { id, from } = message;
  const of = (index: number) => ({ id, from, to: message.recipients[index] ?? '' });
  for (const { index, route, rule } of discarded)
    observer.event({ ...of(index), event: 'discarded', route, rule });
  for (const { hold, recipients } of entries) {
    if (!hold) continue;
    for (const index of recipients) observer.event({ ...of(index), event: 'held', reason: hold.reason });
  }
  arrived(new Set(entries.filter(({ hold }) => !hold).map(({ destination }) => destination)));
}

function acceptedEvent({ message, given }: Added): MailEvent {
  const { id, from, origin, client, size, recipients } = message;
  const isSame = from === given.from && recipients.join() === given.recipients.join();
  return {
    event: 'accepted',
    id,
    from,
    to: recipients,
    ...(!isSame && { given: { from: given.from, to: given.recipients } }),
    origin,
    client: client?.address ?? null,
    helo: client?.helo ?? null,
    size,
  };
}
