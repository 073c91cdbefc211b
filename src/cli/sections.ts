// Facts about one thing, a title above and a line each: for people who look at one message.
// queue-show.ts, explain.ts and simulate.ts fill it.
// Never makes text safe: values come through text.ts.

/** An empty name goes on with the one before. */
export type Field = readonly [name: string, value: string];

export function section(title: string, fields: readonly Field[]): string {
  const widest = Math.max(0, ...fields.map(([name]) => name.length));
  const lines = fields.map(([name, value]) => `  ${name.padEnd(widest)}  ${value}`.trimEnd());
  return `${[title, ...lines].join('\n')}\n`;
}

/** One value a line, the name before the first. */
export function lines(name: string, values: readonly string[]): Field[] {
  return values.map((value, i) => [i === 0 ? name : '', value]);
}
