// The two grants of enterprise-managed authorization, for an oidc-provider: what an identity provider
// gives for the id token of a person, and what an authorization server that trusts it takes.
import { randomUUID } from 'node:crypto';
import { SignJWT, createRemoteJWKSet, importJWK, jwtVerify } from 'jose';
import { errors } from 'oidc-provider';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const ID_JAG = 'urn:ietf:params:oauth:token-type:id-jag';
const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';
const TYPE = 'oauth-id-jag+jwt';

/** Token exchange (RFC 8693) of an id token that is valid now and of the client that asks. */
export function vouch(provider, issuer, key) {
  const names = ['requested_token_type', 'audience', 'resource', 'scope', 'subject_token', 'subject_token_type'];
  provider.registerGrantType(EXCHANGE, async (ctx) => {
    const { client, params } = ctx.oidc;
    if (params.requested_token_type !== ID_JAG || params.subject_token_type !== ID_TOKEN) {
      throw new errors.InvalidRequest('not these types of tokens');
    }
    const about = await provider.IdToken.validate(params.subject_token, client).catch((error) => {
      throw new errors.InvalidGrant(error.message);
    });
    if (about.payload.exp <= Date.now() / 1000) throw new errors.InvalidGrant('the id token has expired');
    const claims = { resource: params.resource, scope: params.scope, client_id: `at-mcp`, jti: randomUUID() };
    const assertion = await new SignJWT(claims)
      .setProtectedHeader({ alg: key.alg, kid: key.kid, typ: TYPE })
      .setIssuer(issuer)
      .setSubject(about.payload.sub)
      .setAudience(params.audience)
      .setIssuedAt()
      .setExpirationTime('60s')
      .sign(await importJWK(key, key.alg));
    ctx.body = { issued_token_type: ID_JAG, access_token: assertion, token_type: 'N_A', expires_in: 60 };
  }, names, []);
}

/** The assertion grant (RFC 7523) with what the identity provider `trusted` has given, each good once. */
export function trust(provider, issuer, trusted, ttl) {
  const used = new Set();
  const keys = createRemoteJWKSet(new URL(`${trusted}/jwks`));
  provider.registerGrantType(JWT_BEARER, async (ctx) => {
    const { client, params } = ctx.oidc;
    const expected = { issuer: trusted, audience: issuer, typ: TYPE, requiredClaims: ['jti', 'exp', 'sub', 'resource'] };
    const { payload } = await jwtVerify(params.assertion, keys, expected).catch((error) => {
      throw new errors.InvalidGrant(error.message);
    });
    if (used.has(payload.jti) || client.clientName !== payload.client_id) {
      throw new errors.InvalidGrant('the assertion is for another client, or was used');
    }
    used.add(payload.jti);
    const grant = new provider.Grant({ accountId: payload.sub, clientId: client.clientId });
    const scope = payload.scope ?? 'mcp:tools';
    grant.addResourceScope(payload.resource, scope);
    const token = new provider.AccessToken({
      accountId: payload.sub,
      client,
      grantId: await grant.save(),
      gty: 'jwt_bearer',
      scope,
    });
    token.resourceServer = new provider.ResourceServer(payload.resource, {
      audience: payload.resource,
      scope,
      accessTokenTTL: ttl(),
      accessTokenFormat: 'jwt',
    });
    const value = await token.save();
    ctx.body = { access_token: value, token_type: 'Bearer', expires_in: token.expiration, scope };
  }, ['assertion', 'resource'], []);
}
