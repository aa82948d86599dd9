// A certified OpenID provider (oidc-provider) for the tests, on a free port of this machine.
//
// PUT /test/start {redirect_uri, post_logout_redirect_uri, backchannel_logout_uri, algorithm} starts it (again), with new keys.
// PUT /test/listen {key, cert} makes it speak TLS on another port, which is the answer; `issuer` above names it.
// PUT /test/account {sub, email, email_verified, ...} says who signs in next, and what is told of them.
// Everything else is oidc-provider's own.

import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_PATH}/`);
const { default: Provider } = await import(require.resolve('oidc-provider'));

const KEYS = {
  RS256: ['rsa', { modulusLength: 2048 }],
  PS256: ['rsa', { modulusLength: 2048 }],
  ES256: ['ec', { namedCurve: 'P-256' }],
  EdDSA: ['ed25519', {}],
};

let answer;
let account = { sub: 'nobody' };
const accounts = new Map();

function start(issuer, settings) {
  const { redirect_uri, post_logout_redirect_uri, backchannel_logout_uri } = settings;
  const { algorithm = 'RS256', standard = true } = settings;
  const { privateKey } = generateKeyPairSync(...KEYS[algorithm]);
  const key = { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg: algorithm };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'palisade',
        client_secret: 'a-secret-that-both-know-0123456789',
        redirect_uris: [redirect_uri],
        response_types: ['code'],
        grant_types: ['authorization_code'],
        id_token_signed_response_alg: algorithm,
        post_logout_redirect_uris: post_logout_redirect_uri ? [post_logout_redirect_uri] : [],
        backchannel_logout_uri,
        backchannel_logout_session_required: true,
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: ['not a secret'] },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['preferred_username', 'name', 'groups'] },
    // As Google does; by the book an address is told at the user info endpoint alone.
    conformIdTokenClaims: standard,
    enabledJWA: { idTokenSigningAlgValues: Object.keys(KEYS) },
    features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
    // Its guard keeps it from this machine's own addresses, where all of the tests are.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...accounts.get(id) }) }),
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  const own = provider.callback();
  return async (request, response) => {
    if (request.url.startsWith('/interaction/')) {
      if (account.refuses) {
        return provider.interactionFinished(request, response, { error: 'access_denied' });
      }
      return provider.interactionFinished(request, response, { login: { accountId: account.sub } });
    }
    return own(request, response);
  };
}

async function body(request) {
  let text = '';
  for await (const part of request) text += part;
  return JSON.parse(text);
}

async function handle(request, response) {
  try {
    if (request.url === '/test/start') {
      const settings = await body(request);
      answer = start(settings.issuer ?? `http://localhost:${server.address().port}`, settings);
    } else if (request.url === '/test/listen') {
      const secure = createSecureServer(await body(request), handle);
      await new Promise((resolve) => secure.listen(0, 'localhost', resolve));
      return response.writeHead(200).end(String(secure.address().port));
    } else if (request.url === '/test/account') {
      account = await body(request);
      accounts.set(account.sub, account);
    } else {
      return await answer(request, response);
    }
    response.writeHead(204).end();
  } catch (error) {
    console.error(error);
    response.writeHead(500).end(String(error));
  }
}

const server = createServer(handle);
server.listen(0, 'localhost', () => console.log(String(server.address().port)));
