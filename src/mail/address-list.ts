// The addresses in a header field such as From: several, with display names, quotes, comments and groups.
// Policy asks for those of the From field (RFC 5322 §3.4).
// Never refuses: what is no address is passed over, as clients write what they like. One pass over the text.

/** An address and where it stands in the field's value. */
export interface FoundAddress {
  /** As it is written, without comments and spaces. */
  readonly address: string;
  readonly start: number;
  readonly end: number;
}

export function addressesIn(value: string): FoundAddress[] {
  const found: FoundAddress[] = [];
  for (const words of mailboxesIn(value)) {
    const address = addressOf(words);
    if (address !== null) found.push(address);
  }
  return found;
}

/** What stands between spaces, or one of `, ; : < > @ .` alone. */
interface Word {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

/** Words between commas and semicolons; the name of a group (`team: a@b, c@d;`) is no mailbox. */
function mailboxesIn(value: string): Word[][] {
  const mailboxes: Word[][] = [];
  let words: Word[] = [];
  let angle = false;
  for (const word of wordsIn(value)) {
    if (word.text === '<') angle = true;
    if (word.text === '>') angle = false;
    if (!angle && (word.text === ',' || word.text === ';')) {
      mailboxes.push(words);
      words = [];
    } else if (!angle && word.text === ':') words = [];
    else words.push(word);
  }
  return [...mailboxes, words];
}

/** What stands in angle brackets, or else the words around an @. A source route (`<@a,@b:c@d>`) is left out. */
function addressOf(words: readonly Word[]): FoundAddress | null {
  const open = words.findLastIndex(({ text }) => text === '<');
  const close = words.findIndex(({ text }, index) => text === '>' && index > open);
  const inner = open < 0 ? words : words.slice(open + 1, close < 0 ? undefined : close);
  const spec = inner.slice(inner.findLastIndex(({ text }) => text === ':') + 1);
  const at = spec.findLastIndex(({ text }) => text === '@');
  const [from, to] = [reach(spec, at, -1), reach(spec, at, 1)];
  const [first, last] = [spec[from], spec[to]];
  if (at < 0 || from === at || to === at || first === undefined || last === undefined) return null;
  const address = spec
    .slice(from, to + 1)
    .map(({ text }) => text)
    .join('');
  return { address, start: first.start, end: last.end };
}

/** How far the local part or the domain goes from the @: words with dots between them. */
function reach(words: readonly Word[], at: number, step: 1 | -1): number {
  let index = at;
  let afterWord = false;
  for (let next = words[index + step]; next !== undefined; next = words[index + step]) {
    const isDot = next.text === '.';
    if (next.text === '@' || (afterWord && !isDot)) break;
    afterWord = !isDot;
    index += step;
  }
  return index;
}

const SPECIALS = new Set([',', ';', ':', '<', '>', '@', '.']);
const SPACES = new Set([' ', '\t', '\r', '\n']);

function* wordsIn(value: string): Generator<Word> {
  const closing = new Closings(value);
  let index = 0;
  while (index < value.length) {
    const char = value[index] as string;
    const end = closing.endOf(char, index) ?? plainEnd(value, index);
    if (char !== '(' || end === index + 1) {
      if (!SPACES.has(char)) yield { text: value.slice(index, end), start: index, end };
    }
    index = end;
  }
}

/** One special, one space, or all until the next. */
function plainEnd(value: string, start: number): number {
  let end = start + 1;
  if (SPECIALS.has(value[start] as string) || SPACES.has(value[start] as string)) return end;
  while (end < value.length && !isEdge(value[end] as string)) end += 1;
  return end;
}

function isEdge(char: string): boolean {
  return SPECIALS.has(char) || SPACES.has(char) || char === '"' || char === '(' || char === '[';
}

/** Where quotes, comments and literals end. One without an end is an ordinary character, and so are all after it. */
class Closings {
  readonly #value: string;
  readonly #endless = new Set<string>();

  constructor(value: string) {
    this.#value = value;
  }

  endOf(char: string, start: number): number | null {
    if ((char !== '"' && char !== '(' && char !== '[') || this.#endless.has(char)) return null;
    const end = char === '(' ? this.#commentEnd(start) : this.#textEnd(start, char === '"' ? '"' : ']');
    if (end === null) this.#endless.add(char);
    return end;
  }

  /** A backslash takes the next character with it (RFC 5322 §3.2.1). */
  #textEnd(start: number, close: string): number | null {
    for (let index = start + 1; index < this.#value.length; index++) {
      const char = this.#value[index];
      if (char === '\\') index += 1;
      else if (char === close) return index + 1;
    }
    return null;
  }

  /** Comments may hold comments (§3.2.2). */
  #commentEnd(start: number): number | null {
    let depth = 0;
    for (let index = start; index < this.#value.length; index++) {
      const char = this.#value[index];
      if (char === '\\') index += 1;
      else if (char === '(') depth += 1;
      else if (char === ')' && --depth === 0) return index + 1;
    }
    return null;
  }
}
