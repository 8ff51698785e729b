// The drawer that tests a model with a prompt.

import { APIError } from './api.js';
import { openDialog } from './dialog.js';
import { fill, h, icon } from './dom.js';
import { failure, notice } from './notice.js';
import { PromptForm } from './prompt-form.js';
import { resultOf } from './test-result.js';

/**
 * @import { TestEvent } from './types'
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
  const form = new PromptForm({ action: 'Send Test', send: () => send(), stop: () => controller.abort() });
  const output = h(
    'section',
    { class: 'test-output', 'aria-live': 'polite', 'aria-label': 'Answer' },
    placeholder(),
  );
  dialog.body.append(form.element, output);

  const send = async () => {
    controller = new AbortController();
    form.setRunning(true);
    await show(run(form.value(), controller.signal), output).catch((error) => {
      if (controller.signal.aborted) {
        output.querySelector('.streaming')?.classList.remove('streaming');
        output.append(notice('info', 'Stopped. The call to the provider was canceled.'));
        return;
      }
      if (error instanceof APIError) {
        fill(output, form.refused(error));
        onRefused(error);
        return;
      }
      fill(output, failure(error));
    });
    output.removeAttribute('aria-busy');
    form.setRunning(false);
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
  output.setAttribute('aria-busy', 'true'); // or a screen reader would read every piece
  fill(output, h('p', { class: 'waiting muted' }, h('span', { class: 'spinner' }), 'Waiting for the model…'));
  for await (const { event, data } of events) {
    if (event === 'result') {
      fill(output, resultOf(data));
      break;
    }
    if (!text.isConnected) {
      fill(output, text);
    }
    text.append(data.text);
    text.scrollIntoView({ block: 'end' });
  }
}

function placeholder() {
  return h(
    'div',
    { class: 'test-placeholder muted' },
    icon('play'),
    h('p', {}, 'Send a test to see the answer, the latency and the token usage.'),
  );
}
