// The drawer that checks whether a model does what its stages need.

import { openDialog } from './dialog.js';
import { fill, h, icon } from './dom.js';
import { dateTime, duration } from './format.js';
import { failure, hint, kindLabel, notice, quote } from './notice.js';
import { emptyRow, resultRow } from './parts.js';

/**
 * @import { API } from './api.js'
 * @import { Model, Stage, StageResult } from './types'
 */

/** What the status of a stage check is called, and the class of its chip. */
const statuses = {
  passed: { label: 'Verified', tone: 'active' },
  failed: { label: 'Failed', tone: 'error' },
  error: { label: 'Not checked', tone: '' },
};

/**
 * Opens the drawer, starts the checks, and returns when it is closed.
 *
 * @param {API} api
 * @param {Model} model
 * @param {Stage[]} stages the known ones
 * @param {string} about whose model it is
 */
export async function openVerifyDrawer(api, model, stages, about) {
  let controller = new AbortController();
  const dialog = openDialog({ title: `Verify ${model.display_name}`, subtitle: about, kind: 'drawer' });
  const stop = h('button', { type: 'button', class: 'button', onclick: () => controller.abort() }, 'Stop');
  const again = h(
    'button',
    { type: 'button', class: 'button primary', onclick: () => run() },
    icon('refresh'),
    'Verify again',
  );
  const summary = h('p', { class: 'test-summary', role: 'status' });
  const alerts = h('div', { class: 'alerts' });
  const rows = new Map(model.supported_stages.map((stage) => [stage, h('li', {})]));
  const labelOf = (/** @type {string} */ stage) =>
    stages.find((known) => known.stage === stage)?.label ?? stage;
  dialog.body.append(
    h(
      'p',
      { class: 'muted' },
      'Each stage is checked with a short prompt, and the answer is compared with what the stage needs.',
    ),
    alerts,
    summary,
    h('ul', { class: 'test-list', 'aria-label': 'Stages' }, [...rows.values()]),
  );
  dialog.footer.append(stop, again);

  const run = async () => {
    controller = new AbortController();
    stop.hidden = false;
    again.hidden = true;
    stop.focus();
    fill(alerts);
    summary.textContent = 'Checking…';
    for (const [stage, row] of rows) {
      fill(row, emptyRow(labelOf(stage), h('span', { class: 'spinner' })));
    }
    /** @type {StageResult[]} */
    const results = [];
    try {
      for await (const { event, data } of api.verify(model.id, controller.signal)) {
        if (event === 'check') {
          results.push(data);
          const row = rows.get(data.stage);
          if (row) {
            fill(row, stageRow(labelOf(data.stage), data));
          }
        }
      }
      const passed = results.filter(({ status }) => status === 'passed').length;
      summary.textContent = `${passed} of ${results.length} verified.`;
    } catch (error) {
      summary.textContent = '';
      fill(
        alerts,
        controller.signal.aborted
          ? notice('info', 'Stopped. The calls to the provider were canceled.')
          : failure(/** @type {Error} */ (error)),
      );
    }
    for (const row of rows.values()) {
      row.querySelector('.spinner')?.replaceWith('Not checked');
    }
    again.hidden = false;
    again.focus();
    stop.hidden = true;
  };
  run();
  await dialog.closed;
  controller.abort();
}

/**
 * @param {string} label
 * @param {StageResult} result
 */
function stageRow(label, { status, latency_ms: latency, detail, response, error }) {
  const { label: word, tone } = statuses[status];
  return resultRow(
    { label, word, tone, note: latency === undefined ? '' : duration(latency), open: status !== 'passed' },
    error ? notice('error', kindLabel(error.kind), quote(error.message), hint(error.hint)) : null,
    detail ? h('p', {}, detail) : null,
    response ? h('div', { class: 'answer' }, response) : null,
  );
}

/**
 * The chip of a stage that a model serves. It says whether the stage is verified.
 *
 * @param {string} label
 * @param {{status: keyof typeof statuses, at: string} | undefined} check
 */
export function stageChip(label, check) {
  if (!check) {
    return h('span', { class: 'chip stage' }, label);
  }
  const { label: word } = statuses[check.status];
  const title = `${word}, ${dateTime(check.at)}`;
  const mark = { passed: 'check', failed: 'alert', error: 'info' }[check.status];
  return h(
    'span',
    { class: `chip stage ${check.status}`, title },
    icon(mark),
    label,
    h('span', { class: 'visually-hidden' }, `: ${word}`),
  );
}
