// Rows in columns that fit the terminal.
// Listings hand in words, and get lines.
// Never cuts anything where no terminal is: a program reads it then.

export interface Column {
  readonly title: string;
  readonly right?: boolean;
  /** May be cut where the terminal is narrow; widest first. */
  readonly flexible?: boolean;
}

export interface Row {
  readonly cells: readonly string[];
  /** A line of its own under the row. */
  readonly note?: string;
}

/** A flexible column keeps this much: the begin of an address that one still knows. */
const NARROWEST = 8;
const GAP = '  ';
const NOTE_INDENT = '    ';

/** `width` in characters; null: as wide as it is. */
export function table(columns: readonly Column[], rows: readonly Row[], width: number | null): string {
  const widths = fittingWidths(columns, naturalWidths(columns, rows), width);
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, i) => {
        const cell = cut(cells[i] ?? '', widths[i] ?? 0);
        return column.right ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
      })
      .join(GAP)
      .trimEnd();
  const lines = [line(columns.map((column) => column.title))];
  for (const { cells, note } of rows) {
    lines.push(line(cells));
    if (note !== undefined) lines.push(cut(NOTE_INDENT + note, width ?? Number.POSITIVE_INFINITY));
  }
  return `${lines.join('\n')}\n`;
}

function naturalWidths(columns: readonly Column[], rows: readonly Row[]): number[] {
  return columns.map((column, i) =>
    rows.reduce((widest, { cells }) => Math.max(widest, cells[i]?.length ?? 0), column.title.length),
  );
}

/** Takes from the widest flexible column, one character after the other, until the line fits. */
function fittingWidths(
  columns: readonly Column[],
  natural: readonly number[],
  width: number | null,
): readonly number[] {
  if (width === null) return natural;
  const widths = [...natural];
  let excess = widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1)) - width;
  for (; excess > 0; excess--) {
    let widest = -1;
    for (const [i, column] of columns.entries()) {
      const candidate = widths[i] ?? 0;
      if (column.flexible && candidate > NARROWEST && candidate > (widths[widest] ?? 0)) widest = i;
    }
    if (widest < 0) break;
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** A count behind an address (`x@example.org +2`) is kept: it says that there are others. */
function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  const others = / \+\d+$/.exec(text)?.[0] ?? '';
  return `${text.slice(0, Math.max(0, width - 1 - others.length))}…${others}`;
}
