// Command lines taken apart: verb, argument, path, ESMTP parameters (RFC 5321 §4.1.1, §4.1.1.11).
// Stands between input.ts, which finds the line, and session.ts, which obeys it.
// Never knows the state of a session.

import { type Path, parsePath, pathEnd } from '../mail/path.ts';
import type { Reply } from './intake.ts';
import { tooBig } from './reception.ts';
import { reply } from './replies.ts';

export interface Command {
  /** Upper case. */
  readonly verb: string;
  /** Without the spaces around it. */
  readonly argument: string;
}

/** MAIL or RCPT, taken apart. */
export interface PathCommand {
  readonly path: Path;
  readonly parameters: readonly (readonly [keyword: string, value: string | null])[];
}

const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(=([!-<>-~]+))?$/;

/** A tab is let pass where a space may stand; `\p{Cc}` are the control characters. */
const CONTROL = /(?!\t)\p{Cc}/u;

/** `line` without its CRLF. Null when it holds control characters, a bare CR for one. */
export function parseCommand(line: Buffer): Command | null {
  const text = line.toString('utf8');
  if (CONTROL.test(text)) return null;
  const space = text.search(/[ \t]/);
  if (space < 0) return { verb: text.toUpperCase(), argument: '' };
  return { verb: text.slice(0, space).toUpperCase(), argument: text.slice(space + 1).trim() };
}

/**
 * `word` is `FROM` or `TO`. A space after the colon is wrong and common, so it is let pass;
 * anything else that does not fit is refused.
 */
export function parsePathCommand(argument: string, word: 'FROM' | 'TO'): PathCommand | Reply {
  const colon = argument.indexOf(':');
  if (colon < 0 || argument.slice(0, colon).trimEnd().toUpperCase() !== word) {
    return reply(501, '5.5.4', `${word}:<address> expected`);
  }
  const text = argument.slice(colon + 1).trimStart();
  const end = pathEnd(text);
  if (text === '' || end < 0) return reply(501, '5.5.4', `${word}:<address> expected`);
  const rest = text.slice(end);
  if (rest !== '' && !/^[ \t]/.test(rest)) return reply(501, '5.5.4', 'something follows the address');
  const parameters = parseParameters(rest);
  return 'code' in parameters ? parameters : { path: parsePath(text.slice(0, end)), parameters };
}

/** The address of a MAIL or RCPT as it came, without what is around it; what cannot be read stays whole. */
export function addressIn(argument: string): string {
  const text = argument.replace(/^\w*\s*:\s*/, '');
  const end = pathEnd(text);
  return end < 0 ? text : text.slice(0, end).replace(/^<(.*)>$/, '$1');
}

function parseParameters(text: string): PathCommand['parameters'] | Reply {
  const parameters: [string, string | null][] = [];
  for (const word of text.split(/[ \t]/)) {
    if (word === '') continue;
    const match = PARAMETER.exec(word);
    if (match === null) return reply(501, '5.5.4', 'malformed parameter');
    const keyword = (match[1] as string).toUpperCase();
    if (parameters.some(([known]) => known === keyword)) {
      return reply(501, '5.5.4', `parameter ${keyword} given twice`);
    }
    parameters.push([keyword, match[3] ?? null]);
  }
  return parameters;
}

/** Null when every parameter is one that EHLO offers, with a value that it may have. */
export function checkMailParameters(
  parameters: PathCommand['parameters'],
  messageSize: number,
): Reply | null {
  for (const [keyword, value] of parameters) {
    const refusal = checkMailParameter(keyword, value, messageSize);
    if (refusal) return refusal;
  }
  return null;
}

function checkMailParameter(keyword: string, value: string | null, messageSize: number): Reply | null {
  if (keyword === 'SIZE') return checkSize(value, messageSize);
  return keyword === 'BODY' ? checkBody(value) : notOffered(keyword);
}

/** RCPT has no parameter: DSN is not offered. */
export function checkRcptParameters(parameters: PathCommand['parameters']): Reply | null {
  const [first] = parameters;
  return first ? notOffered(first[0]) : null;
}

/** RFC 1870 §4 and §6.1: what is announced as too big is refused before it travels. */
function checkSize(value: string | null, messageSize: number): Reply | null {
  if (value === null || !/^\d{1,20}$/.test(value))
    return reply(501, '5.5.4', 'SIZE takes a number of octets');
  return Number(value) > messageSize ? tooBig(messageSize) : null;
}

/** RFC 6152 §2. BINARYMIME belongs to CHUNKING, which is not offered. */
function checkBody(value: string | null): Reply | null {
  const body = value?.toUpperCase();
  return body === '7BIT' || body === '8BITMIME' ? null : reply(501, '5.5.4', 'BODY is 7BIT or 8BITMIME');
}

/** RFC 5321 §4.1.1.11. */
function notOffered(keyword: string): Reply {
  return reply(555, '5.5.4', `parameter ${keyword} is not offered`);
}
