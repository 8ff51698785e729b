// Fields for credentials. What is stored is never in the page, unless the user reveals it.

import { h, icon, iconButton, whileBusy } from './dom.js';
import { frame } from './fields.js';
import { ago } from './format.js';

/**
 * @import { CredentialState, FormField } from './types'
 * @import { Field } from './fields.js'
 *
 * @typedef {object} CredentialMethods
 * @property {() => unknown} change what to send to the API; undefined keeps what is stored
 * @property {(change: unknown, before?: unknown) => void} restore makes the change of another
 *   field; before is what was stored then
 * @property {() => Field[]} parts the fields in it that have errors of their own
 * @property {() => {field: string, message: string}[]} problems that the API can't report
 *
 * @typedef {Field & CredentialMethods} Credential
 *
 * @typedef {object} SecretOptions
 * @property {CredentialState} [state]
 * @property {(() => Promise<string>) | null} reveal fetches the stored secret
 * @property {() => void} onInput
 */

/** What stands for a stored secret. */
const mask = '••••••••';

/** How long a revealed secret is shown, in milliseconds. */
const revealedFor = 60_000;

/**
 * Makes the field of a secret, which is masked. The eye shows it: what was typed, or, if
 * nothing was, what is stored. A stored secret that is optional can be removed.
 *
 * @param {string} path
 * @param {FormField} spec
 * @param {SecretOptions} options
 * @returns {Credential}
 */
export function makeSecret(path, spec, { state, reveal, onInput }) {
  const long = spec.kind === 'secret_json';
  const stored = state?.set ?? false;
  const properties = {
    class: 'input masked',
    placeholder: stored ? mask : spec.placeholder,
    spellcheck: 'false',
    autocomplete: 'off',
    autocapitalize: 'off',
    'data-1p-ignore': true,
    'data-lpignore': 'true',
  };
  const input = long
    ? h('textarea', { ...properties, rows: 4 })
    : h('input', { ...properties, type: 'text' });
  const eye = makeEye(input, spec.label, stored ? reveal : null, (message) => field.setError(message));
  if (stored && !reveal) {
    eye.button.hidden = true;
    input.addEventListener('input', () => {
      eye.button.hidden = input.value === '';
    });
  }
  const control = h('div', { class: `secret ${long ? 'long' : ''}`.trim() }, input, eye.button);
  const note = stored ? h('span', {}) : undefined;
  const remover = stored && !spec.required ? makeRemover(spec.label, () => setRemoved(!removed)) : null;
  const extra = h('div', { class: 'field-actions' }, long ? uploadButton(input, spec.label) : null, remover);
  const field = frame(path, spec, input, { note, onInput }, control, extra.firstChild ? extra : null);
  let removed = false;
  /** @param {boolean} remove */
  const setRemoved = (remove) => {
    removed = remove;
    eye.hide();
    input.value = '';
    control.hidden = remove;
    fillNote(note, state, remove);
    remover?.firstChild?.replaceWith(remove ? 'Keep' : 'Remove');
    onInput();
  };
  fillNote(note, state, false);
  const value = () => (eye.isRevealed() ? '' : input.value.trim());
  return {
    ...field,
    value,
    change: () => (removed ? { set: false } : value() || undefined),
    restore: (change) => {
      if (typeof change === 'string') {
        field.setValue(change);
      } else if (remover) {
        setRemoved(true);
      }
    },
    parts: () => [],
    problems: () => [],
  };
}

/**
 * @param {HTMLElement | undefined} note
 * @param {CredentialState | undefined} state
 * @param {boolean} removed
 */
function fillNote(note, state, removed) {
  const kept = `Stored ${ago(state?.updated_at ?? '')}. Leave blank to keep it.`;
  note?.replaceChildren(removed ? 'The stored value is removed when you save.' : kept);
}

/**
 * The button that removes a stored secret, or keeps it after all.
 *
 * @param {string} label
 * @param {() => void} onclick
 */
function makeRemover(label, onclick) {
  const about = h('span', { class: 'visually-hidden' }, ` the stored ${label}`);
  return h('button', { type: 'button', class: 'button small', onclick }, 'Remove', about);
}

/**
 * The button that shows a secret.
 *
 * @param {HTMLInputElement | HTMLTextAreaElement} input
 * @param {string} name of the secret
 * @param {(() => Promise<string>) | null} reveal
 * @param {(message: string) => void} setError
 */
function makeEye(input, name, reveal, setError) {
  let revealed = '';
  const isRevealed = () => input.value === revealed;
  /** @param {boolean} visible */
  const show = (visible) => {
    input.classList.toggle('masked', !visible);
    const label = `${visible ? 'Hide' : 'Show'} ${name}`;
    button.setAttribute('aria-label', label);
    button.title = label;
    button.replaceChildren(icon(visible ? 'eye-off' : 'eye'));
  };
  const hide = () => {
    if (revealed !== '' && isRevealed()) {
      input.value = '';
    }
    revealed = '';
    show(false);
  };
  const press = async () => {
    if (!input.classList.contains('masked')) {
      hide();
      return;
    }
    if (input.value === '' && reveal) {
      revealed = await whileBusy(button, reveal).catch((error) => {
        setError(error.message);
        return '';
      });
      if (revealed === '') {
        return;
      }
      setError('');
      input.value = revealed;
      setTimeout(hide, revealedFor);
    }
    show(true);
  };
  const button = iconButton('eye', `Show ${name}`, { class: 'inside', onclick: press });
  return { button, hide, isRevealed };
}

/**
 * Reads a file into a text area.
 *
 * @param {HTMLInputElement | HTMLTextAreaElement} input
 * @param {string} label
 */
function uploadButton(input, label) {
  const file = h('input', {
    type: 'file',
    accept: '.json,application/json',
    hidden: true,
    onchange: async () => {
      const chosen = file.files?.[0];
      if (chosen) {
        input.value = await chosen.text();
        input.dispatchEvent(new Event('input'));
        file.value = '';
      }
    },
  });
  const button = h(
    'button',
    { type: 'button', class: 'button small', onclick: () => file.click() },
    icon('upload'),
    `Upload ${label}`,
  );
  return [file, button];
}
