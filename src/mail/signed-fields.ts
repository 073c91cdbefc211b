// Which header fields the signatures of a message cover (RFC 6376).
// completion.ts asks before it adds a field: a signature may cover one that is not there.
// Never verifies: whoever signed knows what with.

/**
 * Names in lower case from the `h=` tags of DKIM-Signature fields (unfolded values). A name in the list
 * without such a field in the message says that there is none (RFC 6376 §5.4.2, §8.15): adding one would
 * break the signature.
 */
export function signedFields(signatures: readonly string[]): ReadonlySet<string> {
  return new Set(signatures.flatMap(namesIn));
}

/** RFC 6376 §3.2: `tag=value;`, with white space around names and values. */
function namesIn(signature: string): string[] {
  for (const tag of signature.split(';')) {
    const equals = tag.indexOf('=');
    if (tag.slice(0, equals).trim() !== 'h') continue;
    return tag
      .slice(equals + 1)
      .split(':')
      .map((name) => name.trim().toLowerCase());
  }
  return [];
}
