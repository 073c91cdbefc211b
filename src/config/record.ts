// Whether data that came out of YAML is a map.
// Everything in config/ that looks at data before the schema does asks here.
// Never looks inside.

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
