// Keeps secrets out of the log, should a part hand one over by mistake.
// log.ts passes the fields of plain lines and alarms through it; mail's events are typed and have none.
// Never changes what it is given: the result is a copy.

const SECRET_KEY = /passw|secret|token|authorization|credential|privatekey|^pass$|^key$/i;
const REDACTED = '[redacted]';

/** Objects nested deeper than this are not for a log line. */
const DEPTH = 4;

type Fields = Readonly<Record<string, unknown>>;

/** Fields with the values of secret-sounding keys replaced, Errors as `{ name, message, code, stack }`. */
export function withoutSecrets(fields: Fields, depth = DEPTH): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    safe[key] = SECRET_KEY.test(key) ? REDACTED : safeValue(value, depth - 1);
  }
  return safe;
}

/** `redis://user:secret@host` → `redis://…@host`. */
export function withoutUrlPassword(text: string): string {
  return text.includes('://') ? text.replace(/:\/\/[^/@\s]*@/g, '://…@') : text;
}

function safeValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return withoutUrlPassword(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth <= 0) return '…';
  if (value instanceof Error) return safeError(value, depth);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => safeValue(item, depth - 1));
  return withoutSecrets(value as Fields, depth);
}

function safeError(error: Error, depth: number): Fields {
  const { name, message, stack } = error;
  const { code } = error as { code?: unknown };
  const cause = error.cause === undefined ? {} : { cause: safeValue(error.cause, depth - 1) };
  return withoutSecrets({ name, message, ...(code === undefined ? {} : { code }), ...cause, stack }, depth);
}
