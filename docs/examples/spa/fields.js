// Fields of a form, drawn as /provider-types describes them.

import { h, icon, uniqueID } from './dom.js';

/**
 * @import { FormField } from './types'
 *
 * @typedef {object} Field
 * @property {string} path its name in errors of the API, such as `config.region`
 * @property {string} label
 * @property {HTMLElement} element
 * @property {() => string} value
 * @property {(value: string) => void} setValue
 * @property {(message: string) => void} setError
 * @property {() => void} focus
 */

/**
 * Makes a field for a text.
 *
 * @param {string} path
 * @param {FormField} spec
 * @param {object} [options]
 * @param {string} [options.value]
 * @param {() => void} [options.onInput]
 * @returns {Field}
 */
export function makeField(path, spec, options = {}) {
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
 * Puts a label, a help text and a place for an error around a control.
 *
 * @param {string} path
 * @param {FormField} spec
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} input
 * @param {{note?: HTMLElement, onInput?: () => void}} options the note is about what is stored
 * @param {HTMLElement} control that contains the input
 * @param {HTMLElement | null} [extra]
 * @returns {Field}
 */
export function frame(path, spec, input, options, control, extra = null) {
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
