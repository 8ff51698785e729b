// The start of the page: configuration, sign-in, screen.

import { API } from './api.js';
import { fill, h, icon } from './dom.js';
import { failure } from './notice.js';
import { beginSignIn, finishSignIn, takeAnswer } from './oidc.js';
import { ProvidersScreen } from './providers.js';
import { Session } from './session.js';
import { againHash, askToSignInAgain, reportToken, showSignIn, verify } from './sign-in.js';

/**
 * @import { Config, Me } from './types'
 * @import { Answer } from './oidc.js'
 */

const root = /** @type {HTMLElement} */ (document.querySelector('#app'));

async function start() {
  const answer = takeAnswer();
  showLoading();
  const config = await loadConfig();
  const address = new URL(config.api_url, document.baseURI);
  /** @type {Session} */
  const session = new Session((error) => askToSignInAgain(config, address, session.workspace, error));
  if (location.hash === againHash) {
    await beginSignIn(config, true);
    return;
  }
  const { token, error } = await signedOn(config, address, answer);
  if (answer?.again) {
    reportToken(root, token || (await showSignIn(root, config, address, error, true)));
    return;
  }
  if (token) {
    session.begin(token);
  }
  if (config.authentication && !session.token) {
    session.begin(await showSignIn(root, config, address, error));
  }
  await showProviders(new API(address, session), session);
}

/**
 * The token that a sign-on ended with, or why it failed.
 *
 * @param {Config} config
 * @param {URL} address of the API
 * @param {Answer | null} answer
 * @returns {Promise<{token: string, error: Error | null}>}
 */
async function signedOn(config, address, answer) {
  if (!answer) {
    return { token: '', error: null };
  }
  try {
    const token = await finishSignIn(config, answer);
    await verify(address, token);
    return { token, error: null };
  } catch (error) {
    return { token: '', error: /** @type {Error} */ (error) };
  }
}

function showLoading() {
  fill(root, h('p', { class: 'starting', role: 'status' }, h('span', { class: 'spinner' }), 'Loading…'));
}

/** @returns {Promise<Config>} */
async function loadConfig() {
  const response = await fetch('config.json', { cache: 'no-store' }).catch(() => null);
  const config = await response?.json().catch(() => null);
  if (!response?.ok || !config) {
    throw new Error('The configuration of this page can’t be loaded. Reload the page to try again.');
  }
  return config;
}

/**
 * @param {API} api
 * @param {Session} session
 */
async function showProviders(api, session) {
  showLoading();
  const me = await api.me();
  session.workspace = me.workspace;
  if (!me.scopes.includes('providers:read')) {
    fill(root, topBar(me, session), noAccess(me));
    return;
  }
  const [types, stages] = await Promise.all([api.listProviderTypes(), api.listStages()]);
  const screen = new ProvidersScreen({
    api,
    types: types.data,
    stages: stages.data,
    may: (scope) => me.scopes.includes(scope),
  });
  fill(root, topBar(me, session), screen.element);
  await screen.load();
}

/** @param {Me} me */
function noAccess(me) {
  return h(
    'main',
    { id: 'main' },
    h(
      'div',
      { class: 'empty' },
      h('div', { class: 'empty-icon' }, icon('key')),
      h('h1', {}, 'No access'),
      h(
        'p',
        { class: 'muted' },
        `You are signed in, but you don’t have permission to see the providers of the workspace ${me.workspace}. Ask an administrator for a role.`,
      ),
    ),
  );
}

/**
 * @param {Me} me
 * @param {Session} session
 */
function topBar(me, session) {
  const signOut = () => {
    session.end();
    location.reload();
  };
  return h(
    'header',
    { class: 'bar' },
    h('a', { class: 'skip', href: '#main' }, 'Skip to content'),
    h('div', { class: 'brand' }, icon('logo'), h('span', {}, 'Settings')),
    h(
      'div',
      { class: 'who' },
      h('span', { class: 'muted small' }, 'Workspace ', h('strong', {}, me.workspace)),
      me.role ? h('span', { class: 'chip' }, me.role) : null,
      me.kind === 'none'
        ? null
        : h(
            'button',
            { type: 'button', class: 'button small', onclick: signOut },
            icon('sign-out'),
            'Sign out',
          ),
    ),
  );
}

start().catch((error) => {
  const again = h(
    'button',
    { type: 'button', class: 'button', onclick: () => location.reload() },
    icon('refresh'),
    'Try again',
  );
  fill(root, h('main', { class: 'sign-in' }, failure(error, h('p', {}, again))));
});
