// The drawer that tests a model with a prompt.

import { APIError } from './api.js';
import { openDialog } from './dialog.js';
import { fill, h, icon, uniqueID } from './dom.js';
import { count, duration } from './format.js';
import { failure, hint, kindLabel, notice, quote } from './notice.js';

/**
 * @import { TestEvent, TestResult } from './types'
 * @typedef {(prompt: object, signal: AbortSignal) => AsyncIterable<TestEvent>} Run
 */

/**
 * Opens the drawer, and returns when it is closed.
 *
 * @param {object} options
 * @param {string} options.name of the model
 * @param {string} options.about whose model it is
 * @param {Run} options.run sends the prompt
 * @param {(error: APIError) => void} [options.onRefused] if the API refuses the test
 */
export async function openTestDrawer({ name, about, run, onRefused = () => {} }) {
  let controller = new AbortController();
  const dialog = openDialog({ title: `Test ${name}`, subtitle: about, kind: 'drawer' });
  const form = promptForm(() => send(), () => controller.abort());
  const output = h('section', { class: 'test-output', 'aria-live': 'polite', 'aria-label': 'Answer' }, placeholder());
  dialog.body.append(form.element, output);

  const send = async () => {
    controller = new AbortController();
    form.busy(true);
    await show(run(form.value(), controller.signal), output).catch((error) => {
      if (controller.signal.aborted) {
        output.append(notice('info', 'Stopped. The call to the provider was cancelled.'));
        return;
      }
      if (error instanceof APIError) {
        form.showErrors(error);
        onRefused(error);
      }
      fill(output, failure(error, fieldList(error)));
    });
    form.busy(false);
  };
  form.focus();
  await dialog.closed;
  controller.abort();
}

/**
 * Shows an answer while it arrives, and the result.
 *
 * @param {AsyncIterable<TestEvent>} events
 * @param {HTMLElement} output
 */
async function show(events, output) {
  const text = h('div', { class: 'answer streaming' });
  fill(output, h('p', { class: 'waiting muted' }, h('span', { class: 'spinner' }), 'Waiting for the model…'));
  for await (const { event, data } of events) {
    if (event === 'result') {
      fill(output, resultOf(data));
      return;
    }
    if (!text.isConnected) {
      fill(output, text);
    }
    text.append(data.text);
    text.scrollIntoView({ block: 'end' });
  }
  throw new APIError({ detail: 'The connection ended before the answer was complete. Try again.' });
}

/** @param {TestResult} result */
function resultOf(result) {
  const failed = result.error;
  const rows = details(result);
  return h('div', { class: 'result' },
    h('p', { class: 'result-line' },
      h('span', { class: `chip status ${failed ? 'error' : 'active'}` }, failed ? 'Failed' : 'Success'),
      h('span', {}, h('span', { class: 'visually-hidden' }, 'Latency '), duration(result.latency_ms)),
      result.time_to_first_token_ms === undefined ? null : h('span', { class: 'muted' }, `first token ${duration(result.time_to_first_token_ms)}`),
      result.usage ? h('span', { class: 'muted' }, `${count(result.usage.input_tokens, 'token')} in, ${result.usage.output_tokens.toLocaleString('en')} out`) : null),
    failed ? notice('error', kindLabel(failed.kind), quote(failed.message), hint(failed.hint)) : null,
    (result.warnings ?? []).map((warning) => notice('warning', warning.message)),
    result.response ? h('div', { class: 'answer' }, result.response) : null,
    !failed && !result.response ? h('p', { class: 'muted' }, 'The model answered without text.') : null,
    h('details', {}, h('summary', {}, 'Details'),
      h('dl', { class: 'details' }, rows.map(([label, value]) => [h('dt', {}, label), h('dd', {}, value)]))));
}

/**
 * @param {TestResult} result
 * @returns {[string, string][]}
 */
function details(result) {
  const { error, timing } = result;
  /** @type {[string, string | number | undefined][]} */
  const rows = [
    ['Model', result.model],
    ['Finish reason', result.finish_reason],
    ['HTTP status', error?.http_status],
    ['Error code', error?.code],
    ['Endpoint', result.endpoint],
    ['Request id', result.provider_request_id],
    ['Sent', result.sent && Object.entries(result.sent).map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(', ')],
    ['Timing', timing && `connect ${timing.connect_ms} ms · TLS ${timing.tls_ms} ms · first byte ${timing.first_byte_ms} ms · total ${timing.total_ms} ms`],
  ];
  return rows.flatMap(([label, value]) => (value ? [[label, String(value)]] : []));
}

function placeholder() {
  return h('div', { class: 'test-placeholder muted' }, icon('play'), h('p', {}, 'Send the test to see the model’s answer, its latency and its tokens.'));
}

/**
 * The fields that the API refuses, other than those of the prompt.
 *
 * @param {Error} error
 */
function fieldList(error) {
  const fields = error instanceof APIError ? error.fields : [];
  return fields.length ? h('ul', {}, fields.map(({ field, message }) => h('li', {}, h('code', {}, field), ` ${message}`))) : null;
}

/**
 * @param {() => void} send
 * @param {() => void} stop
 */
function promptForm(send, stop) {
  const promptID = uniqueID('prompt');
  const prompt = h('textarea', { id: promptID, class: 'input', rows: 3, required: true, maxlength: 100_000 });
  prompt.value = 'Say hello in one short sentence.';
  const system = h('textarea', { id: uniqueID('system'), class: 'input', rows: 2, maxlength: 100_000 });
  const tokens = h('input', { id: uniqueID('tokens'), class: 'input', type: 'number', min: 1, max: 128_000, step: 1, inputmode: 'numeric' });
  const temperature = h('input', { id: uniqueID('temperature'), class: 'input', type: 'number', min: 0, max: 2, step: 0.1, inputmode: 'decimal' });
  /** @param {string} label @param {HTMLElement} input */
  const labelled = (label, input) => h('div', { class: 'field' }, h('label', { class: 'label', for: input.id }, label), input);
  const submit = h('button', { type: 'submit', class: 'button primary' }, icon('play'), 'Send Test');
  const cancel = h('button', { type: 'button', class: 'button', hidden: true, onclick: stop }, icon('stop'), 'Stop');
  const element = h('form', {
    class: 'test-form',
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
  h('details', { class: 'options' }, h('summary', {}, 'Options'),
    labelled('System prompt', system),
    h('div', { class: 'columns' }, labelled('Max output tokens', tokens), labelled('Temperature', temperature))),
  h('div', { class: 'actions' }, h('span', { class: 'muted small keys' }, h('kbd', {}, 'Ctrl'), ' ', h('kbd', {}, 'Enter'), ' sends'), cancel, submit));
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
    /** @param {APIError} error */
    showErrors: (error) => {
      for (const { field } of error.fields) {
        inputs[field]?.setAttribute('aria-invalid', 'true');
      }
    },
  };
}
