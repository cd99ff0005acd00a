// A real authorization server: oidc-provider with dynamic registration, rotation of single-use refresh
// tokens (a second use revokes the whole grant), resource indicators (RFC 8707), `iss` in the
// response (RFC 9207), PKCE required, and access tokens that are JWTs of a short life. The pages for
// login and consent are its own. Any login and password is good.
//
// `node authorization-server.mjs --port N [--ttl SECONDS]` listens on 127.0.0.1, prints `listening N`
// and serves until it is killed. Everything below `/-/` is for the tests:
//
//   GET  /-/log                what was asked: [{ at, method, path, grant, client, resource, status, error }], at arrival
//   GET  /-/secrets            every token, code and client secret that was handed out
//   POST /-/ttl?seconds=N      the life of the access tokens that are issued from now on
//   POST /-/hold?path=P&when=before|after   holds requests to P before they are handled, or the answers
//   POST /-/release            lets them go; those whose client is gone are dropped unhandled
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import Provider from 'oidc-provider';

const { values } = parseArgs({ options: { port: { type: 'string' }, ttl: { type: 'string', default: '5' } } });
const port = Number(values.port);
const issuer = `http://127.0.0.1:${port}`;
let ttl = Number(values.ttl);

const provider = new Provider(issuer, {
  cookies: { keys: [randomBytes(32).toString('hex')] },
  features: {
    registration: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      // No default: who does not send `resource` gets a token that no resource server takes.
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        audience: resource,
        scope: 'mcp:tools',
        accessTokenTTL: ttl,
        accessTokenFormat: 'jwt',
      }),
    },
  },
  findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access'],
});

const log = [];
const secrets = new Set();
const held = { path: undefined, when: undefined, resume: [] };

/** Notes what in an answer nobody but the client may ever see. */
function note(ctx) {
  const { access_token, refresh_token, id_token, client_secret, registration_access_token } = ctx.body ?? {};
  for (const secret of [access_token, refresh_token, id_token, client_secret, registration_access_token]) {
    if (secret !== undefined) secrets.add(secret);
  }
  const location = ctx.response.get('location');
  const code = location && new URL(location, issuer).searchParams.get('code');
  if (code) secrets.add(code);
}

async function wait(ctx, when) {
  if (held.path !== ctx.path || held.when !== when) return;
  await new Promise((resume) => held.resume.push(resume));
}

provider.use(async (ctx, next) => {
  const entry = { at: Date.now() / 1000, method: ctx.method, path: ctx.path, status: null };
  log.push(entry);
  await wait(ctx, 'before');
  if (ctx.req.socket.destroyed) return;
  await next();
  entry.grant = ctx.oidc?.params?.grant_type;
  entry.client = ctx.oidc?.client?.clientId;
  entry.resource = [ctx.oidc?.params?.resource ?? []].flat();
  entry.status = ctx.status;
  entry.error = ctx.body?.error;
  note(ctx);
  await wait(ctx, 'after');
});

function control(url) {
  const query = url.searchParams;
  switch (url.pathname) {
    case '/-/log':
      return log;
    case '/-/secrets':
      return [...secrets];
    case '/-/ttl':
      ttl = Number(query.get('seconds'));
      return {};
    case '/-/hold':
      held.path = query.get('path');
      held.when = query.get('when');
      return {};
    case '/-/release':
      held.path = undefined;
      for (const resume of held.resume.splice(0)) resume();
      return {};
    default:
      return undefined;
  }
}

const handle = provider.callback();
const listener = createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith('/-/')) {
    handle(request, response);
    return;
  }
  const answer = control(url);
  response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer ?? {}));
});
listener.listen(port, '127.0.0.1', () => console.log(`listening ${port}`));
