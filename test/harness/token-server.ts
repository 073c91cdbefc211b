// An OAuth2 token server: gives access tokens that end, and another refresh token each time it is asked.
// Tests of logins with tokens start it beside their smarthost, which asks it which tokens are good.
// Never left running: it ends with the test that started it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface TokenServerOptions {
  /** Default 3600. */
  readonly expiresIn?: number;
}

export class TokenServer {
  url = '';
  /** Forms that came. */
  readonly requests: Readonly<Record<string, string>>[] = [];
  /** Answers everything so: `[status, body]`; null: as a server should. */
  trouble: readonly [number, string] | null = null;
  /** Never answers. */
  silent = false;
  /** The only refresh token that is good; used once, then another is. */
  refreshToken = 'refresh-0';
  readonly #expiresIn: number;
  #accessToken = '';
  #given = 0;

  constructor(expiresIn: number) {
    this.#expiresIn = expiresIn;
  }

  /** For a peer: whether the access token is the last one given, and not taken back. */
  readonly accepts = (token: string): boolean => token !== '' && token === this.#accessToken;

  /** The access token that was given last is good no longer, before its time. */
  takeBack(): void {
    this.#accessToken = '';
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    const form = Object.fromEntries(new URLSearchParams(body));
    this.requests.push(form);
    if (this.silent) return;
    const [status, text] = this.trouble ?? this.#grant(form);
    response.writeHead(status, { 'content-type': 'application/json' }).end(text);
  }

  #grant({ grant_type, refresh_token, client_id, client_secret }: Readonly<Record<string, string>>) {
    if (client_id !== 'sendoff' || client_secret !== 'client-secret')
      return [401, JSON.stringify({ error: 'invalid_client' })] as const;
    if (grant_type !== 'refresh_token' || refresh_token !== this.refreshToken)
      return [
        400,
        JSON.stringify({ error: 'invalid_grant', error_description: `revoked: ${refresh_token}` }),
      ] as const;
    this.#given += 1;
    this.#accessToken = `access-${this.#given}`;
    this.refreshToken = `refresh-${this.#given}`;
    const answer = {
      token_type: 'Bearer',
      access_token: this.#accessToken,
      refresh_token: this.refreshToken,
      expires_in: this.#expiresIn,
    };
    return [200, JSON.stringify(answer)] as const;
  }
}

export async function startTokenServer({ expiresIn = 3_600 }: TokenServerOptions = {}): Promise<TokenServer> {
  const tokens = new TokenServer(expiresIn);
  const server = createServer((request, response) => void tokens.answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  tokens.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return tokens;
}
