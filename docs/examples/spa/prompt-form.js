// The form with the prompt of a test and its options.

import { h, icon, uniqueID } from './dom.js';
import { failure } from './notice.js';

/** @import { APIError } from './api.js' */

export class PromptForm {
  /**
   * @param {object} options
   * @param {string} options.action what the button says that sends
   * @param {() => void} options.send
   * @param {() => void} options.stop
   */
  constructor({ action, send, stop }) {
    this.send = send;
    this.prompt = h('textarea', { class: 'input', rows: 3, maxlength: 100_000 });
    this.prompt.value = 'Say hello in one short sentence.';
    this.system = h('textarea', { class: 'input', rows: 2, maxlength: 100_000 });
    this.tokens = h('input', { class: 'input', type: 'number', min: 1, max: 128_000, inputmode: 'numeric' });
    this.temperature = h('input', {
      class: 'input',
      type: 'number',
      min: 0,
      max: 2,
      step: 0.1,
      inputmode: 'decimal',
    });
    /** @type {Record<string, {label: string, input: HTMLElement}>} */
    this.fields = {
      prompt: { label: 'Prompt', input: this.prompt },
      system: { label: 'System prompt', input: this.system },
      max_output_tokens: { label: 'Max output tokens', input: this.tokens },
      temperature: { label: 'Temperature', input: this.temperature },
    };
    this.submit = h('button', { type: 'submit', class: 'button primary' }, icon('play'), action);
    this.cancel = h(
      'button',
      { type: 'button', class: 'button', hidden: true, onclick: stop },
      icon('stop'),
      'Stop',
    );
    this.element = this.draw();
  }

  draw() {
    const [prompt, system, tokens, temperature] = Object.values(this.fields).map(({ label, input }) => {
      input.id = uniqueID('prompt');
      return h('div', { class: 'field' }, h('label', { class: 'label', for: input.id }, label), input);
    });
    const keys = h(
      'span',
      { class: 'muted small keys' },
      h('kbd', {}, 'Ctrl'),
      ' + ',
      h('kbd', {}, 'Enter'),
      ' to send',
    );
    const form = h(
      'form',
      {
        class: 'test-form',
        novalidate: true,
        onsubmit: (/** @type {Event} */ event) => {
          event.preventDefault();
          if (!this.submit.disabled) {
            this.send();
          }
        },
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
            form.requestSubmit();
          }
        },
      },
      prompt,
      h(
        'details',
        { class: 'options' },
        h('summary', {}, 'Options'),
        system,
        h('div', { class: 'columns' }, tokens, temperature),
      ),
      h('div', { class: 'actions' }, keys, this.cancel, this.submit),
    );
    return form;
  }

  value() {
    return {
      prompt: this.prompt.value,
      system: this.system.value || undefined,
      max_output_tokens: this.tokens.value ? Number(this.tokens.value) : undefined,
      temperature: this.temperature.value ? Number(this.temperature.value) : undefined,
    };
  }

  focus() {
    this.prompt.focus();
    this.prompt.select();
  }

  /**
   * Shows whether a test runs.
   *
   * @param {boolean} running
   */
  setRunning(running) {
    this.submit.disabled = running;
    this.cancel.hidden = !running;
    if (running) {
      Object.values(this.fields).forEach(({ input }) => input.removeAttribute('aria-invalid'));
    }
  }

  /**
   * Marks the fields that the API refuses, and makes a box that tells what is wrong.
   *
   * @param {APIError} error
   */
  refused(error) {
    const faults = error.fields.map(({ field, message }) => {
      this.fields[field]?.input.setAttribute('aria-invalid', 'true');
      return h('li', {}, this.fields[field]?.label ?? h('code', {}, field), ` ${message}`);
    });
    return failure(error, faults.length ? h('ul', {}, faults) : null);
  }
}
