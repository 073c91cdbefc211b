// Patterns for texts: `*` stands for anything, everything else for itself, case does not matter.
// Conditions on header fields are made of them.
// Never goes back: the time grows with the text, whatever the pattern.

/** A pattern, taken apart at its stars. */
export interface Glob {
  readonly text: string;
  /** In lower case; one part means that there is no star. */
  readonly parts: readonly string[];
}

export function parseGlob(text: string): Glob {
  return { text, parts: text.toLowerCase().split(/\*+/) };
}

/**
 * Whether the whole of `text` (in lower case) fits. Each part is looked for where the one before it ended, and
 * its first place is as good as any later one, so nothing is tried twice.
 */
export function fits({ parts }: Glob, text: string): boolean {
  const [first = '', ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let position = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return text.length - last.length >= position && text.endsWith(last);
}
