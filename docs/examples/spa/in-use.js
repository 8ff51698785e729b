// The question whether to remove or switch off models that something depends on.

import { APIError } from './api.js';
import { confirm } from './dialog.js';
import { h } from './dom.js';
import { count } from './format.js';
import { externalLink } from './parts.js';

/** @import { ReferenceInUse } from './types' */

/**
 * Makes a change. If the API refuses it because models are in use, the user sees what
 * depends on them, and may make it anyway.
 *
 * @template T
 * @param {object} options
 * @param {string} options.title of the question
 * @param {string} options.action what the button says that makes the change anyway
 * @param {(force: boolean) => Promise<T>} options.change
 * @returns {Promise<T | null>} null if the user decided against it
 */
export async function unlessInUse({ title, action, change }) {
  try {
    return await change(false);
  } catch (error) {
    if (!(error instanceof APIError) || error.code !== 'in_use') {
      throw error;
    }
    const agreed = await confirm({ title, action, text: warning(error), dangerous: true });
    return agreed ? change(true) : null;
  }
}

/** @param {APIError} error */
function warning({ references, referenceCount }) {
  const more = referenceCount - references.length;
  return [
    h('p', {}, 'These depend on its models, and may stop working:'),
    h(
      'ul',
      { class: 'references', 'aria-label': 'What depends on it' },
      references.map((reference) => h('li', {}, link(reference), ' ', h('code', {}, reference.model_id))),
    ),
    more > 0 ? h('p', { class: 'muted' }, `And ${count(more, 'more reference')}.`) : null,
  ];
}

/**
 * What depends on a model, with a link to its page. An address of any other kind than that
 * of a page is not linked.
 *
 * @param {ReferenceInUse} reference
 */
function link({ label, url = '' }) {
  return /^https?:\/\//i.test(url) ? externalLink(url, label) : h('span', {}, label);
}
