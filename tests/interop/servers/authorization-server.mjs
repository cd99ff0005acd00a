// A real authorization server: oidc-provider with dynamic registration, rotation of single-use refresh
// tokens (a second use revokes the whole grant), resource indicators (RFC 8707), `iss` in the
// response (RFC 9207), PKCE required, codes for other devices (RFC 8628), and access tokens that are
// JWTs of a short life. The pages for login and consent are its own. Any login and password is good.
// Clients may act for themselves, with a secret or a key.
//
// `node authorization-server.mjs --port N [--ttl SECONDS] [--dpop]` listens on 127.0.0.1, prints
// `listening N` and serves until it is killed. With `--dpop` clients have to bind their tokens to a key
// (RFC 9449), with a nonce of the server's in each proof. With `--mtls FOLDER --secure-port N` clients with a
// certificate (RFC 8705) are at the token endpoint of an https listener that demands one which is in, or issued
// by, `ca.pem`. With `--idp` it is the identity provider of a company, which gives an identity assertion for an
// id token (RFC 8693), and id tokens live `--ttl` seconds; with `--trusts ISSUER` it takes those of such an
// identity provider (RFC 7523). Everything below `/-/` is for the tests:
//
//   GET  /-/log                what was asked: [{ at, method, path, grant, client, resource, status, error }], at arrival
//   GET  /-/secrets            every token, code and client secret that was handed out
//   POST /-/ttl?seconds=N      the life of the access tokens that are issued from now on
//   POST /-/hold?path=P&when=before|after   holds requests to P before they are handled, or the answers
//   POST /-/release            lets them go; those whose client is gone are dropped unhandled
import { X509Certificate, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { trust, vouch } from './enterprise.mjs';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    ttl: { type: 'string', default: '5' },
    dpop: { type: 'boolean' },
    mtls: { type: 'string' },
    'secure-port': { type: 'string' },
    idp: { type: 'boolean' },
    trusts: { type: 'string' },
  },
});
const port = Number(values.port);
const issuer = `http://127.0.0.1:${port}`;
let ttl = Number(values.ttl);

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const key = { ...(await exportJWK(privateKey)), alg: 'RS256', kid: 'interop', use: 'sig' };
const aliases = { token_endpoint: `https://127.0.0.1:${values['secure-port']}/token` };

/** The certificate that the client of a request has shown. */
function certificate(ctx) {
  const raw = ctx.req.socket.getPeerCertificate?.()?.raw;
  return raw && new X509Certificate(raw);
}

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  ...(values.idp ? { ttl: { IdToken: () => ttl } } : {}),
  cookies: { keys: [randomBytes(32).toString('hex')] },
  clientDefaults: values.dpop ? { dpop_bound_access_tokens: true } : {},
  clientAuthMethods: [
    'none',
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
    ...(values.mtls ? ['tls_client_auth', 'self_signed_tls_client_auth'] : []),
  ],
  discovery: values.mtls ? { mtls_endpoint_aliases: aliases } : {},
  features: {
    mTLS: {
      enabled: Boolean(values.mtls),
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => certificate(ctx)?.toString(),
      certificateAuthorized: (ctx) => ctx.req.socket.authorized === true,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_san_dns' && certificate(ctx)?.checkHost(expected) !== undefined,
    },
    clientCredentials: { enabled: true },
    dPoP: values.dpop
      ? { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => true }
      : { enabled: true },
    registration: { enabled: true },
    deviceFlow: { enabled: true },
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

if (values.idp) vouch(provider, issuer, key);
if (values.trusts) trust(provider, issuer, values.trusts, () => ttl);

const log = [];
const secrets = new Set();
const held = { path: undefined, when: undefined, resume: [] };

/** Notes what in an answer nobody but the client may ever see. */
function note(ctx) {
  const { access_token, refresh_token, id_token, client_secret, registration_access_token, device_code } = ctx.body ?? {};
  for (const secret of [access_token, refresh_token, id_token, client_secret, registration_access_token, device_code]) {
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
function serve(request, response) {
  const url = new URL(request.url, issuer);
  if (!url.pathname.startsWith('/-/')) {
    handle(request, response);
    return;
  }
  const answer = control(url);
  response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(answer ?? {}));
}
if (values.mtls) {
  const file = (name) => readFileSync(join(values.mtls, name));
  const [cert, key, ca] = ['server.pem', 'server.key', 'ca.pem'].map(file);
  const secure = createSecureServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, serve);
  await new Promise((done) => secure.listen(Number(values['secure-port']), '127.0.0.1', done));
}
const listener = createServer(serve);
listener.listen(port, '127.0.0.1', () => console.log(`listening ${port}`));
