// Asks a token server for a new access token in exchange for a refresh token (RFC 6749 §6).
// tokens.ts asks when there is none that is good; the answer is a value.
// Never says a secret: what a server writes about its refusal is cleared of ours.
import type { Clock } from '../clock/clock.ts';
import type { OAuth2Client } from '../policy/auth.ts';

/** What a token server gives. */
export interface Grant {
  readonly accessToken: string;
  /** For the next request; servers that rotate give another one each time. */
  readonly refreshToken: string;
  /** When the access token ends, ms since the epoch. */
  readonly expires: number;
}

export type Granted = { readonly grant: Grant } | { readonly refused: string };

/** A token server answers within a second; mail waits no longer for one than for a host. */
const DEADLINE = 30_000;

/** Where the server does not say (RFC 6749 §5.1): what nearly all of them use. */
const USUAL_LIFE = 3_600_000;

/** Longer explanations are for logs of the server. */
const LONGEST_TEXT = 200;

/** Never rejects. `refreshToken`: the latest one, which may be another than the client's first. */
export async function requestToken(
  client: OAuth2Client,
  refreshToken: string,
  clock: Clock,
): Promise<Granted> {
  const control = new AbortController();
  const timer = clock.after(DEADLINE, () =>
    control.abort(new Error(`no answer within ${DEADLINE / 1000} s`)),
  );
  try {
    const response = await fetch(client.tokenUrl, {
      method: 'POST',
      redirect: 'error',
      headers: { accept: 'application/json' },
      body: formOf(client, refreshToken),
      signal: control.signal,
    });
    return read(await response.text(), response.status, refreshToken, clock.now(), client);
  } catch (error) {
    return { refused: without(reasonOf(error), [client.clientSecret, refreshToken]) };
  } finally {
    timer.cancel();
  }
}

/** RFC 6749 §2.3.1: id and secret in the body are what every provider of mail takes. */
function formOf({ clientId, clientSecret }: OAuth2Client, refreshToken: string): URLSearchParams {
  return new URLSearchParams({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: clientId,
    client_secret: clientSecret,
  });
}

function read(text: string, status: number, old: string, now: number, client: OAuth2Client): Granted {
  const answer = parse(text);
  const { access_token: accessToken, refresh_token: rotated, expires_in: life } = answer;
  if (status === 200 && typeof accessToken === 'string' && isToken(accessToken)) {
    const refreshToken = typeof rotated === 'string' && rotated !== '' ? rotated : old;
    const lasts = Number(life) > 0 ? Number(life) * 1000 : USUAL_LIFE;
    return { grant: { accessToken, refreshToken, expires: now + lasts } };
  }
  const said = [answer.error, answer.error_description].filter((one) => typeof one === 'string').join(': ');
  return { refused: without(said === '' ? `HTTP ${status}` : said, [client.clientSecret, old]) };
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const data: unknown = JSON.parse(text);
    return typeof data === 'object' && data !== null ? (data as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

/** RFC 6750 §2.1: nothing that could end the line or the field it stands in. */
function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}

function without(text: string, secrets: readonly string[]): string {
  const clean = secrets.reduce((left, secret) => left.replaceAll(secret, '***'), text);
  return clean.replace(/[^\x20-\x7e]+/g, ' ').slice(0, LONGEST_TEXT);
}

/** fetch says "fetch failed"; what failed stands behind it. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
