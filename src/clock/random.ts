// Randomness as the daemon uses it: shuffling equals, spreading retries, making ids.
// Handed in beside the clock, so that a test can fix it.
// Never used for secrets.

/** A number in [0, 1). */
export type Random = () => number;

/** A new array in random order (Fisher-Yates). */
export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [result[i], result[j]] = [result[j] as T, result[i] as T];
  }
  return result;
}
