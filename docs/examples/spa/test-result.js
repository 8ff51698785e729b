// The result of a test, as the drawers show it.

import { h } from './dom.js';
import { count, duration } from './format.js';
import { hint, kindLabel, notice, quote } from './notice.js';

/** @import { TestResult } from './types' */

/**
 * A result in full.
 *
 * @param {TestResult} result
 */
export function resultOf(result) {
  return h(
    'div',
    { class: 'result' },
    h(
      'p',
      { class: 'result-line' },
      h(
        'span',
        { class: `chip status ${result.error ? 'error' : 'active'}` },
        result.error ? 'Failed' : 'Success',
      ),
      h('span', {}, h('span', { class: 'visually-hidden' }, 'Latency '), duration(result.latency_ms)),
      result.time_to_first_token_ms === undefined
        ? null
        : h('span', { class: 'muted' }, `first token ${duration(result.time_to_first_token_ms)}`),
      result.usage
        ? h(
            'span',
            { class: 'muted' },
            `${count(result.usage.input_tokens, 'input token')}, ${count(result.usage.output_tokens, 'output token')}`,
          )
        : null,
    ),
    outcome(result),
  );
}

/**
 * What the model or the provider said, and the details.
 *
 * @param {TestResult} result
 */
export function outcome(result) {
  const failed = result.error;
  return [
    failed ? notice('error', kindLabel(failed.kind), quote(failed.message), hint(failed.hint)) : null,
    (result.warnings ?? []).map((warning) => notice('warning', warning.message)),
    result.response ? h('div', { class: 'answer' }, result.response) : null,
    !failed && !result.response ? h('p', { class: 'muted' }, 'The answer contains no text.') : null,
    h(
      'details',
      {},
      h('summary', {}, 'Details'),
      h(
        'dl',
        { class: 'details' },
        details(result).map(([label, value]) => [h('dt', {}, label), h('dd', {}, value)]),
      ),
    ),
  ];
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
    ['Request ID', result.provider_request_id],
    [
      'Sent',
      result.sent &&
        Object.entries(result.sent)
          .map(([name, value]) => `${name}: ${JSON.stringify(value)}`)
          .join(', '),
    ],
    [
      'Timing',
      timing &&
        `connect ${timing.connect_ms} ms · TLS ${timing.tls_ms} ms · first byte ${timing.first_byte_ms} ms · total ${timing.total_ms} ms`,
    ],
  ];
  return rows.flatMap(([label, value]) => (value ? [[label, String(value)]] : []));
}
