// Messages: short ones that disappear, and boxes that stay.

import { h, icon, iconButton } from './dom.js';

/**
 * @import { Child } from './types'
 * @import { APIError } from './api.js'
 * @typedef {'success' | 'error' | 'warning' | 'info'} Tone
 */

/** @type {Record<Tone, string>} */
const icons = { success: 'success', error: 'error', warning: 'alert', info: 'info' };

/**
 * Shows a message for a few seconds; an error stays until it is closed.
 *
 * @param {Tone} tone
 * @param {string} text
 */
export function toast(tone, text) {
  const region = document.querySelector('#toasts');
  /** @type {EventTarget | null} */
  let before = null;
  const dismiss = iconButton('close', 'Dismiss', {
    onfocus: (/** @type {FocusEvent} */ event) => {
      before = event.relatedTarget;
    },
    onclick: () => {
      message.remove();
      if (before instanceof HTMLElement) {
        before.focus();
      }
    },
  });
  const message = h('div', { class: `toast ${tone}` }, icon(icons[tone]), h('p', {}, text), dismiss);
  region?.append(message);
  if (tone !== 'error') {
    setTimeout(() => message.remove(), 5000);
  }
}

/**
 * Makes a box with a message.
 *
 * @param {Tone} tone
 * @param {Child} title
 * @param {...Child} children
 */
export function notice(tone, title, ...children) {
  return h(
    'div',
    { class: `notice ${tone}`, role: tone === 'error' ? 'alert' : 'status' },
    icon(icons[tone]),
    h('div', { class: 'notice-text' }, h('p', { class: 'notice-title' }, title), children),
  );
}

/**
 * Makes a box that tells why a request failed: what the API says, or what the
 * provider says.
 *
 * @param {APIError | Error} error
 * @param {...Child} children
 */
export function failure(error, ...children) {
  const upstream = 'upstream' in error ? error.upstream : undefined;
  if (upstream) {
    return notice('error', kindLabel(upstream.kind), quote(upstream.message), hint(upstream.hint), children);
  }
  const requestID = 'requestID' in error && error.status >= 500 ? error.requestID : '';
  const wait =
    'retryAfter' in error && error.status === 429 ? `Try again in ${error.retryAfter} seconds.` : '';
  return notice(
    'error',
    error.message,
    wait ? h('p', {}, wait) : null,
    requestID ? h('p', { class: 'muted small' }, 'Request ID ', h('code', {}, requestID)) : null,
    children,
  );
}

/**
 * The provider's own words.
 *
 * @param {string} message
 */
export function quote(message) {
  return h('blockquote', {}, message);
}

/** @param {string | undefined} text */
export function hint(text) {
  return text ? h('p', { class: 'hint' }, icon('hint'), h('span', {}, text)) : null;
}

/** @type {Record<string, string>} */
const kinds = {
  authentication: 'The provider rejected the credentials',
  permission: 'The credentials do not allow this',
  quota_exceeded: 'The account has no credit left',
  rate_limited: 'The provider’s rate limit was exceeded',
  model_not_found: 'The provider has no such model',
  invalid_request: 'The provider rejected the request',
  content_filtered: 'The provider’s content filter stopped this',
  timeout: 'The provider did not answer in time',
  unreachable: 'The provider can’t be reached',
  blocked: 'This address is not allowed',
  misconfigured: 'There is no API at this address',
  upstream: 'The provider’s service failed',
};

/**
 * What a kind of failure means.
 *
 * @param {string} kind
 */
export function kindLabel(kind) {
  return kinds[kind] ?? kind.replaceAll('_', ' ');
}
