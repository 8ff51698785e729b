// Signing in through an OpenID Connect issuer: the authorization code flow with
// PKCE (RFC 7636). The verifier and the state are in sessionStorage until the
// issuer has sent the user back.

import { randomKey } from './api.js';

/**
 * @import { Config } from './types'
 *
 * @typedef {object} Answer of the issuer to a sign-in
 * @property {URLSearchParams} parameters
 * @property {string | undefined} verifier
 * @property {string | undefined} state that the sign-in began with
 * @property {boolean} again whether another window waits for the token
 */

const key = 'modelproviders.sign-in';

/** @param {Config} config */
export function hasIssuer(config) {
  return config.issuer !== '' && config.client_id !== '';
}

/**
 * Leads the user to the issuer.
 *
 * @param {Config} config
 * @param {boolean} [again] for another window, whose session has ended
 */
export async function beginSignIn(config, again = false) {
  if (!crypto.subtle) {
    throw new Error(
      'Single sign-on needs HTTPS. Open this page with an https:// address, or sign in with a token.',
    );
  }
  const { authorization_endpoint: address } = await discover(config);
  const pending = { verifier: randomKey(), state: randomKey(), again };
  sessionStorage.setItem(key, JSON.stringify(pending));
  const url = new URL(address);
  const parameters = {
    response_type: 'code',
    client_id: config.client_id,
    redirect_uri: redirectURI(),
    scope: config.scopes,
    audience: config.audience,
    state: pending.state,
    code_challenge: await challengeOf(pending.verifier),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) {
    url.searchParams.set(name, value);
  }
  location.assign(url);
}

/**
 * Takes the issuer's answer out of the address, with what was stored for it. It is
 * called before anything else happens, so that the code is not left in the address.
 *
 * @returns {Answer | null} null if the issuer has not sent the user here
 */
export function takeAnswer() {
  const parameters = new URLSearchParams(location.search);
  const pending = JSON.parse(sessionStorage.getItem(key) ?? '{}');
  sessionStorage.removeItem(key);
  if (!['state', 'code', 'error'].some((name) => parameters.has(name))) {
    return null;
  }
  history.replaceState(null, '', redirectURI());
  return { parameters, verifier: pending.verifier, state: pending.state, again: pending.again === true };
}

/**
 * Returns the token of a user whom the issuer has sent back.
 *
 * @param {Config} config
 * @param {Answer} answer
 * @returns {Promise<string>}
 */
export async function finishSignIn(config, { parameters: answer, verifier, state }) {
  if (!hasIssuer(config) || !verifier || state !== answer.get('state')) {
    throw new Error('This sign-in was not started here, or is too old. Sign in again.');
  }
  if (answer.has('error')) {
    throw new Error(`The sign-in failed: ${answer.get('error_description') ?? answer.get('error')}`);
  }
  if (answer.has('iss') && answer.get('iss') !== config.issuer) {
    throw new Error('The response to the sign-in came from another issuer. Sign in again.');
  }
  return exchange(config, answer.get('code') ?? '', verifier);
}

/**
 * @param {Config} config
 * @param {string} code
 * @param {string} verifier
 */
async function exchange(config, code, verifier) {
  const { token_endpoint: address } = await discover(config);
  const response = await fetch(address, {
    method: 'POST',
    credentials: 'omit',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: config.client_id,
      redirect_uri: redirectURI(),
      code,
      code_verifier: verifier,
    }),
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok || !answer.access_token) {
    throw new Error(
      `The sign-in failed: ${answer.error_description ?? answer.error ?? `the issuer answered with status ${response.status}`}`,
    );
  }
  return String(answer.access_token);
}

/** @param {Config} config */
async function discover(config) {
  const address = `${config.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(address, { credentials: 'omit' }).catch(() => null);
  const metadata = await response?.json().catch(() => null);
  if (!response?.ok || metadata?.issuer !== config.issuer) {
    throw new Error('The sign-in service can’t be reached. Try again later.');
  }
  return metadata;
}

/** @param {string} verifier */
async function challengeOf(verifier) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

function redirectURI() {
  return location.origin + location.pathname;
}
