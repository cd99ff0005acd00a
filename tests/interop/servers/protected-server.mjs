// An MCP server on the TypeScript SDK 1.x behind the SDK's own token check: the challenge with
// `resource_metadata`, the metadata document (RFC 9728), and tokens of one authorization server whose
// signature, issuer, audience and expiry are verified.
//
// `node protected-server.mjs --port N --issuer URL` listens on 127.0.0.1, prints `listening N` and
// serves `/mcp` until it is killed. Everything below `/-/` is for the tests:
//
//   POST /-/refuse   refuses from now on every token that it has accepted so far
//   GET  /-/log      [{ rpc, status }] of the POSTs to /mcp
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import express from 'express';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { z } from 'zod';
import { InvalidTokenError } from '@modelcontextprotocol/sdk/server/auth/errors.js';
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js';
import { getOAuthProtectedResourceMetadataUrl, mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const { values } = parseArgs({ options: { port: { type: 'string' }, issuer: { type: 'string' } } });
const port = Number(values.port);
const resource = new URL(`http://127.0.0.1:${port}/mcp`);
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
app.listen(port, '127.0.0.1', (error) => {
  if (error) {
    console.error(error.message);
    process.exit(1);
  }
  console.log(`listening ${port}`);
});
