// Fields of a form, drawn as /provider-types describes them.

import { h, icon, iconButton, uniqueID, whileBusy } from './dom.js';

/**
 * @import { FormField } from './types'
 *
 * @typedef {object} Field
 * @property {string} path its name in errors of the API, such as `config.region`
 * @property {string} label
 * @property {HTMLElement} element
 * @property {() => string} value what the user has typed; "" keeps a stored secret
 * @property {(value: string) => void} setValue
 * @property {(message: string) => void} setError
 * @property {() => void} focus
 */

/** What stands for a stored secret. */
const mask = '••••••••';

/** How long a revealed secret is shown, in milliseconds. */
const revealedFor = 60_000;

/**
 * Makes a field.
 *
 * @param {string} path
 * @param {FormField} spec
 * @param {object} [options]
 * @param {string} [options.value]
 * @param {string} [options.note] about a stored secret
 * @param {(() => Promise<string>) | null} [options.reveal] fetches the stored secret
 * @param {() => void} [options.onInput]
 * @returns {Field}
 */
export function makeField(path, spec, options = {}) {
  if (spec.kind === 'secret' || spec.kind === 'secret_json') {
    return makeSecret(path, spec, options);
  }
  const input = h('input', {
    class: 'input',
    type: spec.kind === 'url' ? 'url' : 'text',
    placeholder: spec.placeholder,
    spellcheck: 'false',
    autocomplete: 'off',
    autocapitalize: 'off',
  });
  input.value = options.value ?? '';
  return frame(path, spec, input, options, input, suggestionsOf(spec, input));
}

/**
 * @param {FormField} spec
 * @param {HTMLInputElement} input
 */
function suggestionsOf(spec, input) {
  if (!spec.suggestions?.length) {
    return null;
  }
  const list = h(
    'datalist',
    { id: uniqueID('suggestions') },
    spec.suggestions.map((value) => h('option', { value })),
  );
  input.setAttribute('list', list.id);
  return list;
}

/**
 * A secret is masked. The eye shows it: what was typed, or, if nothing was, what
 * is stored.
 *
 * @param {string} path
 * @param {FormField} spec
 * @param {{note?: string, reveal?: (() => Promise<string>) | null, onInput?: () => void}} options
 */
function makeSecret(path, spec, options) {
  const long = spec.kind === 'secret_json';
  const stored = options.note !== undefined;
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
  let revealed = '';
  /** @param {boolean} visible */
  const show = (visible) => {
    input.classList.toggle('masked', !visible);
    const label = `${visible ? 'Hide' : 'Show'} ${spec.label}`;
    eye.setAttribute('aria-label', label);
    eye.title = label;
    eye.replaceChildren(icon(visible ? 'eye-off' : 'eye'));
  };
  const hide = () => {
    if (revealed !== '' && input.value === revealed) {
      input.value = '';
    }
    revealed = '';
    show(false);
  };
  const eye = iconButton('eye', `Show ${spec.label}`, {
    class: 'inside',
    onclick: async () => {
      if (!input.classList.contains('masked')) {
        hide();
        return;
      }
      if (input.value === '' && options.reveal) {
        const reveal = options.reveal;
        revealed = await whileBusy(eye, reveal).catch((error) => {
          field.setError(error.message);
          return '';
        });
        if (revealed === '') {
          return;
        }
        field.setError('');
        input.value = revealed;
        setTimeout(hide, revealedFor);
      }
      show(true);
    },
  });
  if (stored && !options.reveal) {
    eye.hidden = true;
    input.addEventListener('input', () => {
      eye.hidden = input.value === '';
    });
  }
  const control = h('div', { class: `secret ${long ? 'long' : ''}`.trim() }, input, eye);
  const field = frame(path, spec, input, options, control, long ? uploadButton(input, spec.label) : null);
  field.value = () => (input.value === revealed ? '' : input.value);
  return field;
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
  return h(
    'div',
    { class: 'upload' },
    file,
    h(
      'button',
      { type: 'button', class: 'button small', onclick: () => file.click() },
      icon('upload'),
      `Upload ${label}`,
    ),
  );
}

/**
 * Puts a label, a help text and a place for an error around a control.
 *
 * @param {string} path
 * @param {FormField} spec
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} input
 * @param {{note?: string, onInput?: () => void}} options
 * @param {HTMLElement} control that contains the input
 * @param {HTMLElement | null} [extra]
 * @returns {Field}
 */
function frame(path, spec, input, options, control, extra = null) {
  const id = uniqueID('field');
  const error = h('p', { id: `${id}-error`, class: 'field-error', hidden: true });
  const help = h(
    'p',
    { id: `${id}-help`, class: 'help' },
    options.note,
    options.note && spec.help ? ' ' : null,
    spec.help,
  );
  input.id = id;
  input.setAttribute('aria-describedby', `${help.id} ${error.id}`);
  if (spec.required && options.note === undefined) {
    input.setAttribute('aria-required', 'true');
  }
  /** @param {string} message */
  const setError = (message) => {
    error.hidden = message === '';
    error.replaceChildren(...(message === '' ? [] : [icon('error'), message]));
    input.toggleAttribute('aria-invalid', false);
    if (message !== '') {
      input.setAttribute('aria-invalid', 'true');
    }
  };
  input.addEventListener('input', () => {
    setError('');
    options.onInput?.();
  });
  const element = h(
    'div',
    { class: 'field', 'data-path': path },
    h(
      'label',
      { class: 'label', for: id },
      spec.label,
      spec.required ? null : h('span', { class: 'optional' }, 'optional'),
    ),
    control,
    help.textContent ? help : null,
    error,
    extra,
  );
  return {
    path,
    label: spec.label,
    element,
    setError,
    value: () => input.value,
    setValue: (value) => {
      input.value = value;
    },
    focus: () => input.focus(),
  };
}
