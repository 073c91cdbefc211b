// A number that a text always has: how mail is shared out so that the same mail is told the same each time.
// sources.ts shares messages among addresses by it, queue/detours.ts lets a share of them try a way.
// Never a secret and never chance: who knows the text knows the number.

/** 0 to 1, evenly: FNV-1a, and the end of MurmurHash3, as ids of the same second differ in their last letters only. */
export function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
