// Signing in: the first screen, and the dialog for a session that has ended.

import { API } from './api.js';
import { openDialog } from './dialog.js';
import { fill, h, icon, uniqueID, whileBusy } from './dom.js';
import { failure } from './notice.js';
import { beginSignIn, hasIssuer } from './oidc.js';

/** @import { Config, Me } from './types' */

/** Where a window for signing in again reports the token. */
const channelName = 'modelproviders.session';

/** The address part that makes such a window go to the issuer at once. */
export const againHash = '#sign-in';

/**
 * The form that asks for a token, and offers single sign-on where there is an
 * issuer.
 *
 * @param {Config} config
 * @param {URL} address of the API
 * @param {(token: string, me: Me) => void} onToken gets a token that works; it may refuse it with an error
 * @param {() => void} signOn leads to the issuer
 * @param {Error | null} [error] what went wrong before
 */
function signInForm(config, address, onToken, signOn, error = null) {
  const id = uniqueID('token');
  const alerts = h('div', { class: 'alerts' }, error ? failure(error) : null);
  const input = h('input', {
    id,
    class: 'input',
    type: 'password',
    required: true,
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'mp_…',
    pattern: '\\s*[!-~]+\\s*',
    title: 'Paste the whole token. It has no spaces and no special characters.',
    'aria-describedby': `${id}-help`,
  });
  const submit = h(
    'button',
    { type: 'submit', class: `button wide ${hasIssuer(config) ? '' : 'primary'}`.trim() },
    'Sign in with token',
  );
  const accept = async (/** @type {string} */ token) => {
    try {
      onToken(token, await verify(address, token));
    } catch (failed) {
      fill(alerts, failure(/** @type {Error} */ (failed)));
      input.focus();
      input.select();
    }
  };
  const tokenForm = h(
    'form',
    {
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        whileBusy(submit, () => accept(input.value.trim()));
      },
    },
    h('label', { class: 'label', for: id }, 'API token'),
    input,
    h(
      'p',
      { id: `${id}-help`, class: 'help' },
      'The first token is in the file ',
      h('code', {}, 'admin.token'),
      ' in the data directory of the service. This page keeps the token until you close the tab.',
    ),
    submit,
  );
  const element = h(
    'div',
    { class: 'sign-in-form' },
    alerts,
    hasIssuer(config)
      ? [
          h(
            'button',
            { type: 'button', class: 'button primary wide', onclick: signOn },
            icon('key'),
            'Sign in with single sign-on',
          ),
          h('p', { class: 'or' }, h('span', {}, 'or')),
        ]
      : null,
    tokenForm,
  );
  return {
    element,
    accept,
    /** @param {Error} failed */
    showError: (failed) => fill(alerts, failure(failed)),
    focus: () =>
      /** @type {HTMLElement | null} */ (
        element.querySelector('button.primary.wide[type=button], input')
      )?.focus(),
  };
}

/**
 * Tells whose token this is, or throws why the API refuses it.
 *
 * @param {URL} address of the API
 * @param {string} token
 * @returns {Promise<Me>}
 */
export function verify(address, token) {
  const renew = (/** @type {Error} */ refusal) => Promise.reject(refusal);
  return new API(address, { token, renew }).me();
}

/**
 * Shows the first screen, and returns a token.
 *
 * @param {HTMLElement} root
 * @param {Config} config
 * @param {URL} address of the API
 * @param {Error | null} error
 * @param {boolean} [again] for another window, whose session has ended
 * @returns {Promise<string>}
 */
export function showSignIn(root, config, address, error, again = false) {
  return new Promise((resolve) => {
    const form = signInForm(
      config,
      address,
      resolve,
      () => beginSignIn(config, again).catch((failed) => form.showError(failed)),
      error,
    );
    fill(
      root,
      h(
        'main',
        { id: 'main', class: 'sign-in' },
        h(
          'div',
          { class: 'sign-in-card' },
          h('div', { class: 'sign-in-logo' }, icon('logo')),
          h('h1', {}, 'Model Providers'),
          h('p', { class: 'muted' }, 'Sign in to manage the model providers of your workspace.'),
          form.element,
        ),
      ),
    );
    form.focus();
  });
}

/**
 * Asks for a token in a dialog on top of the screen, so that nothing that was typed
 * is lost. Single sign-on opens another window. A token of another workspace is
 * refused, because the request would be repeated there.
 *
 * @param {Config} config
 * @param {URL} address of the API
 * @param {string} workspace of the screen; "" if that is not known yet
 * @param {Error} error why the token was refused
 * @returns {Promise<string>}
 */
export async function askToSignInAgain(config, address, workspace, error) {
  let token = '';
  const channel = new BroadcastChannel(channelName);
  const dialog = openDialog({
    title: 'Your session has ended',
    subtitle: 'Sign in again to continue. Your changes are kept.',
    kind: 'small',
    urgent: true,
  });
  const finish = (/** @type {string} */ value, /** @type {Me} */ me) => {
    if (workspace !== '' && me.workspace !== workspace) {
      throw new Error(
        `This page shows the workspace ${workspace}, and you have signed in to ${me.workspace}.`,
      );
    }
    token = value;
    dialog.end();
  };
  const form = signInForm(
    config,
    address,
    finish,
    () => {
      if (!window.open(location.pathname + againHash, '_blank', 'popup,width=520,height=680')) {
        form.showError(new Error('The browser blocked the sign-in window. Allow pop-ups, and try again.'));
      }
    },
    error,
  );
  channel.onmessage = ({ data }) => form.accept(String(data));
  dialog.body.append(form.element);
  form.focus();
  await dialog.closed;
  channel.close();
  if (token === '') {
    throw new Error('You are signed out. Sign in to continue.');
  }
  return token;
}

/**
 * Gives a token to the window that has asked for it, and closes this one.
 *
 * @param {HTMLElement} root
 * @param {string} token
 */
export function reportToken(root, token) {
  const channel = new BroadcastChannel(channelName);
  channel.postMessage(token);
  channel.close();
  window.close();
  // A browser closes only a window that a page has opened.
  const text = [h('h1', {}, 'You are signed in'), h('p', { class: 'muted' }, 'You can close this window.')];
  fill(root, h('main', { class: 'sign-in' }, h('div', { class: 'sign-in-card' }, text)));
}
