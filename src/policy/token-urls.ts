// Where providers give out tokens: what `auth.oauth2.tokenUrl` is when a route does not say it.
// route-schema.ts looks it up by the first host of the route.
// Never a guess: a host that is not here needs its tokenUrl in the policy.

const GOOGLE = 'https://oauth2.googleapis.com/token';
const MICROSOFT = 'https://login.microsoftonline.com/common/oauth2/v2.0/token';

/** By name of the submission host. */
export const tokenUrls: ReadonlyMap<string, string> = new Map([
  ['smtp.gmail.com', GOOGLE],
  ['smtp-relay.gmail.com', GOOGLE],
  ['smtp.office365.com', MICROSOFT],
  ['smtp-mail.outlook.com', MICROSOFT],
  ['smtp.mail.yahoo.com', 'https://api.login.yahoo.com/oauth2/get_token'],
  ['smtp.aol.com', 'https://api.login.aol.com/oauth2/get_token'],
  ['smtp.mail.ru', 'https://o2.mail.ru/token'],
  ['smtp.yandex.ru', 'https://oauth.yandex.ru/token'],
]);
