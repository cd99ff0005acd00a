// An MCP server on the TypeScript SDK 1.x behind the SDK's own token check: the challenge with
// `resource_metadata`, the metadata document (RFC 9728), and tokens of one authorization server whose
// signature, issuer, audience and expiry are verified.
//
// `node protected-server.mjs --port N --issuer URL [--dpop]` listens on 127.0.0.1, prints `listening N`
// and serves `/mcp` until it is killed. With `--dpop` it takes tokens only with a proof of possession
// (RFC 9449), each with its newest nonce, of which there is another after ten requests. With `--mtls FOLDER
// --secure-port N` it is at an https listener that demands a client certificate which is in, or issued by,
// `ca.pem`, and takes tokens only with the certificate that they are bound to (RFC 8705). Everything below `/-/`
// is for the tests:
//
//   POST /-/refuse   refuses from now on every token that it has accepted so far
//   GET  /-/log      [{ rpc, status }] of the POSTs to /mcp
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import express from 'express';
import { EmbeddedJWK, calculateJwkThumbprint, createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';
import { z } from 'zod';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    issuer: { type: 'string' },
    dpop: { type: 'boolean' },
    mtls: { type: 'string' },
    'secure-port': { type: 'string' },
  },
});
const port = Number(values.port);
const origin = values.mtls ? `https://127.0.0.1:${values['secure-port']}` : `http://127.0.0.1:${port}`;
const resource = new URL(`${origin}/mcp`);
const oauthMetadata = await (await fetch(`${values.issuer}/.well-known/openid-configuration`)).json();
const keys = createRemoteJWKSet(new URL(oauthMetadata.jwks_uri));

const accepted = new Set();
const refused = new Set();
const log = [];

async function verifyAccessToken(token) {
  if (refused.has(token)) throw new InvalidTokenError('Token has been revoked');
  const options = { issuer: oauthMetadata.issuer, audience: resource.href, typ: 'at+jwt' };
  const { payload } = await jwtVerify(token, keys, options).catch((error) => {
    throw new InvalidTokenError(error.code ?? 'Token cannot be read');
  });
  accepted.add(token);
  return {
    token,
    clientId: payload.client_id,
    scopes: (payload.scope ?? '').split(' ').filter(Boolean),
    expiresAt: payload.exp,
    resource: new URL(payload.aud),
    extra: { sub: payload.sub },
  };
}

const proofs = new Set();

/** Checks the proof that goes with a token; gives the error otherwise. */
async function checkProof(request, token) {
  const { payload, protectedHeader } = await jwtVerify(request.get('dpop') ?? '', EmbeddedJWK, {
    typ: 'dpop+jwt',
    algorithms: ['ES256'],
    maxTokenAge: '1 minute',
    clockTolerance: 5,
  });
  const wanted = {
    htm: request.method,
    htu: resource.href,
    ath: createHash('sha256').update(token).digest('base64url'),
  };
  for (const [name, value] of Object.entries(wanted)) {
    if (payload[name] !== value) return 'invalid_dpop_proof';
  }
  if (proofs.has(payload.jti)) return 'invalid_dpop_proof';
  proofs.add(payload.jti);
  if (payload.nonce !== `nonce-${Math.floor(proofs.size / 10)}`) return 'use_dpop_nonce';
  const thumbprint = await calculateJwkThumbprint(protectedHeader.jwk);
  return decodeJwt(token).cnf?.jkt === thumbprint ? undefined : 'invalid_token';
}

/** Lets tokens with a proof pass, as Bearer tokens to the SDK, which knows no others. */
async function possession(request, response, next) {
  const [scheme, token] = (request.get('authorization') ?? '').split(' ');
  const error =
    scheme === 'DPoP' ? await checkProof(request, token).catch(() => 'invalid_dpop_proof') : scheme && 'invalid_token';
  if (scheme && !error) {
    request.headers.authorization = `Bearer ${token}`;
    next();
    return;
  }
  const metadata = getOAuthProtectedResourceMetadataUrl(resource);
  const said = error ? `error="${error}", ` : '';
  response
    .status(401)
    .set('WWW-Authenticate', `DPoP ${said}algs="ES256", resource_metadata="${metadata}"`)
    .set('DPoP-Nonce', `nonce-${Math.floor(proofs.size / 10)}`)
    .json({ error: error ?? 'unauthorized' });
}

/** Lets tokens pass over a connection with the certificate that they are bound to. */
function certified(request, response, next) {
  const token = (request.get('authorization') ?? '').split(' ')[1];
  const raw = request.socket.getPeerCertificate?.()?.raw;
  const thumbprint = raw && createHash('sha256').update(raw).digest('base64url');
  if (token === undefined || (raw && decodeJwt(token).cnf?.['x5t#S256'] === thumbprint)) {
    next();
    return;
  }
  const metadata = getOAuthProtectedResourceMetadataUrl(resource);
  response
    .status(401)
    .set('WWW-Authenticate', `Bearer error="invalid_token", resource_metadata="${metadata}"`)
    .json({ error: 'invalid_token' });
}

const text = (value) => ({ content: [{ type: 'text', text: value }] });

function createServer() {
  const server = new McpServer(
    { name: 'interop-protected', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true } } },
  );
  const tool = (name, shape, run) => server.registerTool(name, { description: name, inputSchema: shape }, run);
  tool('echo', { message: z.string() }, async ({ message }) => text(`Echo: ${message}`));
  tool('who', {}, async (_arguments, extra) => text(extra.authInfo.extra.sub));
  return server;
}

const app = express();
app.post('/-/refuse', (request, response) => {
  for (const token of accepted) refused.add(token);
  response.json({});
});
app.get('/-/log', (request, response) => response.json(log));
app.use(
  mcpAuthMetadataRouter({
    oauthMetadata,
    resourceServerUrl: resource,
    scopesSupported: ['mcp:tools'],
    resourceName: 'Interop',
  }),
);
app.use(express.json());
app.use('/mcp', (request, response, next) => {
  if (request.method === 'POST') {
    response.on('finish', () => log.push({ rpc: request.body?.method ?? null, status: response.statusCode }));
  }
  next();
});
if (values.dpop) app.use('/mcp', possession);
if (values.mtls) app.use('/mcp', certified);
app.use(
  '/mcp',
  requireBearerAuth({
    verifier: { verifyAccessToken },
    requiredScopes: ['mcp:tools'],
    resourceMetadataUrl: getOAuthProtectedResourceMetadataUrl(resource),
    expectedResource: resource,
  }),
);

const transports = new Map();
app.all('/mcp', async (request, response) => {
  const sessionId = request.headers['mcp-session-id'];
  let transport = transports.get(sessionId);
  if (transport === undefined && (sessionId !== undefined || request.method !== 'POST')) {
    response.status(404).json({ jsonrpc: '2.0', error: { code: -32001, message: 'Session not found' }, id: null });
    return;
  }
  if (transport === undefined) {
    transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: () => randomUUID(),
      onsessioninitialized: (id) => transports.set(id, transport),
      onsessionclosed: (id) => transports.delete(id),
    });
    await createServer().connect(transport);
  }
  await transport.handleRequest(request, response, request.body);
});
if (values.mtls) {
  const file = (name) => readFileSync(join(values.mtls, name));
  const [cert, key, ca] = ['server.pem', 'server.key', 'ca.pem'].map(file);
  const secure = createSecureServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true }, app);
  await new Promise((done) => secure.listen(Number(values['secure-port']), '127.0.0.1', done));
}
app.listen(port, '127.0.0.1', (error) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  console.log(`listening ${port}`);
});
