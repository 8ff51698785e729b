// The form with the prompt of a test and its options.

import { h, icon, uniqueID } from './dom.js';
import { failure } from './notice.js';

/** @import { APIError } from './api.js' */

/** @type {Record<string, string>} */
const labels = {
  prompt: 'Prompt',
  system: 'System prompt',
  max_output_tokens: 'Max output tokens',
  temperature: 'Temperature',
};

/**
 * @param {object} options
 * @param {string} options.action what the button says that sends
 * @param {() => void} options.send
 * @param {() => void} options.stop
 */
export function promptForm({ action, send, stop }) {
  const promptID = uniqueID('prompt');
  const prompt = h('textarea', { id: promptID, class: 'input', rows: 3, required: true, maxlength: 100_000 });
  prompt.value = 'Say hello in one short sentence.';
  const system = h('textarea', { id: uniqueID('system'), class: 'input', rows: 2, maxlength: 100_000 });
  const tokens = h('input', {
    id: uniqueID('tokens'),
    class: 'input',
    type: 'number',
    min: 1,
    max: 128_000,
    step: 1,
    inputmode: 'numeric',
  });
  const temperature = h('input', {
    id: uniqueID('temperature'),
    class: 'input',
    type: 'number',
    min: 0,
    max: 2,
    step: 0.1,
    inputmode: 'decimal',
  });
  /** @param {string} label @param {HTMLElement} input */
  const labelled = (label, input) =>
    h('div', { class: 'field' }, h('label', { class: 'label', for: input.id }, label), input);
  const submit = h('button', { type: 'submit', class: 'button primary' }, icon('play'), action);
  const cancel = h(
    'button',
    { type: 'button', class: 'button', hidden: true, onclick: stop },
    icon('stop'),
    'Stop',
  );
  const element = h(
    'form',
    {
      class: 'test-form',
      novalidate: true,
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        if (!submit.disabled) {
          send();
        }
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
          element.requestSubmit();
        }
      },
    },
    labelled('Prompt', prompt),
    h(
      'details',
      { class: 'options' },
      h('summary', {}, 'Options'),
      labelled('System prompt', system),
      h(
        'div',
        { class: 'columns' },
        labelled('Max output tokens', tokens),
        labelled('Temperature', temperature),
      ),
    ),
    h(
      'div',
      { class: 'actions' },
      h('span', { class: 'muted small keys' }, h('kbd', {}, 'Ctrl'), ' ', h('kbd', {}, 'Enter'), ' sends'),
      cancel,
      submit,
    ),
  );
  /** @type {Record<string, HTMLElement>} */
  const inputs = { prompt, system, max_output_tokens: tokens, temperature };
  return {
    element,
    value: () => ({
      prompt: prompt.value,
      system: system.value || undefined,
      max_output_tokens: tokens.value ? Number(tokens.value) : undefined,
      temperature: temperature.value ? Number(temperature.value) : undefined,
    }),
    focus: () => {
      prompt.focus();
      prompt.select();
    },
    /** @param {boolean} busy */
    busy: (busy) => {
      submit.disabled = busy;
      cancel.hidden = !busy;
      for (const input of Object.values(inputs)) {
        input.removeAttribute('aria-invalid');
      }
    },
    /**
     * Marks the fields that the API refuses, and tells what is wrong.
     *
     * @param {APIError} error
     */
    showError: (error) => {
      for (const { field } of error.fields) {
        inputs[field]?.setAttribute('aria-invalid', 'true');
      }
      return failure(
        error,
        error.fields.length
          ? h(
              'ul',
              {},
              error.fields.map(({ field, message }) =>
                h('li', {}, labels[field] ?? h('code', {}, field), ` ${message}`),
              ),
            )
          : null,
      );
    },
  };
}
