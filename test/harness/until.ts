// Waiting for a condition, with a deadline.
// Used by every test that waits for another process or for the network.
// Never waits for mere time to pass.

/** Resolves with the first value that is not false, null or undefined; rejects after `deadline` ms. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  deadline = 10_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + deadline;
  for (;;) {
    const value = await condition();
    if (value !== false && value !== null && value !== undefined) return value as NonNullable<T>;
    if (performance.now() > end) throw new Error(`waited ${deadline} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
