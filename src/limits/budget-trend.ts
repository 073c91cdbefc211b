// At which pace a budget is used: what was added to its window during the last hour, or since it began.
// budget-counter.ts notes it as time passes, quota-views.ts says by it when the budget runs out.
// Never a promise: tomorrow's mail is not known.

/** Looked at this often, and remembered for an hour. */
const SAMPLE_MS = 5 * 60_000;
const REMEMBERED_MS = 60 * 60_000;

/** A window that has just begun says nothing yet: its first mail is not its pace. */
const LEAST_MS = 60_000;

export class Trend {
  #samples: { readonly at: number; readonly total: number }[] = [];

  /** `total`: used in the window at this moment. */
  note(now: number, total: number): void {
    const last = this.#samples.at(-1);
    // Another window: what came before is not its pace.
    if (last && (total < last.total || now < last.at)) this.#samples = [];
    else if (last && now - last.at < SAMPLE_MS) return;
    this.#samples.push({ at: now, total });
    this.#samples = this.#samples.filter(({ at }) => at >= now - REMEMBERED_MS);
  }

  /** Per millisecond; `began`: when the window did. */
  pace(now: number, total: number, began: number): number {
    const [first] = this.#samples;
    if (first && first.total <= total && now - first.at >= SAMPLE_MS) {
      return (total - first.total) / (now - first.at);
    }
    return total / Math.max(LEAST_MS, now - began);
  }
}
