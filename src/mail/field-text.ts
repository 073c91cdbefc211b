// Header fields as people write them on a command line: `Subject: Minutes`.
// `explain` takes them for a message that is not there, from cli/ and through admin/.
// Never unfolds and never decodes: a value is one line.
import type { MailHeader } from './envelope.ts';

/** RFC 5322 §2.2: a name of printable ASCII, a colon, a value. */
const FIELD = /^([!-9;-~]+)[ \t]*:([^\r\n]*)$/;

/** The fields in their order by name, or the first text that is none. */
export function headerOf(
  fields: readonly string[],
): { readonly header: MailHeader } | { readonly wrong: string } {
  const values = new Map<string, string[]>();
  for (const field of fields) {
    const [, name, value] = FIELD.exec(field) ?? [];
    if (name === undefined || value === undefined) return { wrong: field };
    const key = name.toLowerCase();
    values.set(key, [...(values.get(key) ?? []), value.trim()]);
  }
  return { header: Object.fromEntries(values) };
}
