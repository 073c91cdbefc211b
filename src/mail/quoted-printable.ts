// Quoted-printable (RFC 2045 §6.7): any text as short lines of ASCII.
// DSN parts that hold more than ASCII or overlong lines go through it.
// Never used on message/rfc822: RFC 2046 §5.2.1 forbids an encoding there.

/** RFC 2045 §6.7 rule 5: 76 characters a line, the soft break's `=` included. */
const LINE = 76;

/** `text` has CRLF line ends; so has the result. */
export function quotedPrintable(text: Buffer): string {
  return text
    .toString('latin1')
    .split('\r\n')
    .map((line) => breakLine(encodeLine(line)))
    .join('\r\n');
}

/** The line as atoms that must not be torn apart: single characters and `=XX`. */
function encodeLine(line: string): string[] {
  const atoms: string[] = [];
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    const last = i === line.length - 1;
    const literal = (code > 32 && code < 127 && code !== 61) || ((code === 32 || code === 9) && !last);
    atoms.push(literal ? line.charAt(i) : `=${code.toString(16).toUpperCase().padStart(2, '0')}`);
  }
  return atoms;
}

function breakLine(atoms: readonly string[]): string {
  let result = '';
  let column = 0;
  for (const [index, atom] of atoms.entries()) {
    const room = index === atoms.length - 1 ? LINE : LINE - 1;
    if (column + atom.length > room) {
      result += '=\r\n';
      column = 0;
    }
    result += atom;
    column += atom.length;
  }
  return result;
}
