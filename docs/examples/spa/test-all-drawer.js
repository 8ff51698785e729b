// The drawer that tests all enabled models of a provider with one prompt.

import { APIError } from './api.js';
import { openDialog } from './dialog.js';
import { fill, h } from './dom.js';
import { count, duration } from './format.js';
import { failure } from './notice.js';
import { emptyRow, resultRow } from './parts.js';
import { PromptForm } from './prompt-form.js';
import { outcome } from './test-result.js';

/**
 * @import { API } from './api.js'
 * @import { Model, ModelTestResult, ModelsTestSummary, Provider } from './types'
 */

/**
 * Opens the drawer, and returns when it is closed.
 *
 * @param {API} api
 * @param {Provider} provider
 */
export async function openTestAllDrawer(api, provider) {
  let controller = new AbortController();
  const enabled = provider.models.filter((model) => model.enabled);
  const dialog = openDialog({
    title: `Test ${count(enabled.length, 'model')}`,
    subtitle: `${provider.name} · ${provider.type_label}`,
    kind: 'drawer',
  });
  const form = new PromptForm({ action: 'Test All', send: () => send(), stop: () => controller.abort() });
  const summary = h('p', { class: 'test-summary', role: 'status' });
  const alerts = h('div', { class: 'alerts' });
  const rows = new Map(
    enabled.map((model) => [model.id, h('li', {}, emptyRow(model.display_name, 'Not tested'))]),
  );
  dialog.body.append(
    form.element,
    alerts,
    summary,
    h('ul', { class: 'test-list', 'aria-label': 'Results' }, [...rows.values()]),
  );

  const send = async () => {
    controller = new AbortController();
    form.setRunning(true);
    fill(alerts);
    summary.textContent = '';
    for (const model of enabled) {
      fill(
        /** @type {HTMLElement} */ (rows.get(model.id)),
        emptyRow(model.display_name, h('span', { class: 'spinner' })),
      );
    }
    try {
      for await (const { event, data } of api.testModels(provider.id, form.value(), controller.signal)) {
        if (event === 'summary') {
          summary.textContent = summaryOf(data);
        } else {
          const row = rows.get(data.id);
          const model = enabled.find((model) => model.id === data.id);
          if (row && model) {
            fill(row, modelRow(model, data));
          }
        }
      }
    } catch (error) {
      if (controller.signal.aborted) {
        summary.textContent = 'Stopped. The calls to the provider were canceled.';
      } else {
        fill(alerts, error instanceof APIError ? form.refused(error) : failure(/** @type {Error} */ (error)));
      }
    }
    for (const row of rows.values()) {
      row.querySelector('.spinner')?.replaceWith('Not tested');
    }
    form.setRunning(false);
  };
  form.focus();
  await dialog.closed;
  controller.abort();
}

/**
 * @param {Model} model
 * @param {ModelTestResult} tested
 */
function modelRow({ display_name: label }, { status, result, detail }) {
  if (!result) {
    return emptyRow(label, `Skipped. ${detail ?? ''}`);
  }
  const note = result.error ? result.error.kind.replaceAll('_', ' ') : duration(result.latency_ms);
  const chip = status === 'failed' ? { word: 'Failed', tone: 'error' } : { word: 'Success', tone: 'active' };
  return resultRow({ label, note, ...chip }, outcome(result));
}

/** @param {ModelsTestSummary} summary */
function summaryOf({ succeeded, failed, skipped, truncated }) {
  const parts = [`${succeeded} succeeded`, `${failed} failed`];
  if (skipped) {
    parts.push(`${skipped} skipped`);
  }
  return `${parts.join(', ')}.${truncated ? ' The provider has more models than can be tested at once.' : ''}`;
}
