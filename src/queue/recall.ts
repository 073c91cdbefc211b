// What the last process knew of the destinations: suspensions, detours, closed doors, and who answered lately.
// queue.ts calls it before the first run; suspend.ts, detour-moves.ts and backoff.ts made the notes.
// Never keeps a note that nobody needs any more.
import { BACK_OFF_NOTES, type BackOff, type Destination, LIVE_MS, LIVE_NOTES } from './destinations.ts';
import { recallDetours } from './detour-moves.ts';
import type { House } from './house.ts';
import { recallSlowdowns } from './site-backoff.ts';
import { recallSuspensions } from './suspend.ts';

export function recall(house: House): void {
  recallSuspensions(house);
  recallSlowdowns(house);
  recallDetours(house);
  const now = house.clock.now();
  const forgotten: Record<string, null> = {};
  for (const [note, value] of house.spool.notes(BACK_OFF_NOTES)) {
    const key = note.slice(BACK_OFF_NOTES.length);
    const backOff = value as BackOff;
    // The next mail finds out anew.
    if (backOff.until < now && house.spool.nextDue(key) === null) forgotten[note] = null;
    else house.destinations.of(key).backOff = backOff;
  }
  for (const [note, value] of house.spool.notes(LIVE_NOTES)) {
    const at = value as number;
    if (now - at < LIVE_MS) recallSuccess(house.destinations.of(note.slice(LIVE_NOTES.length)), at);
    else forgotten[note] = null;
  }
  if (Object.keys(forgotten).length === 0) return;
  house.spool.change({ notes: forgotten }).catch((error: Error) => {
    house.observer.warn('old notes could not be removed', { error: error.message });
  });
}

function recallSuccess(destination: Destination, at: number): void {
  destination.lastSuccess = at;
  destination.notedSuccess = at;
}
