// Dialogs: the browser's own, which keeps the focus inside and the page behind
// inert.

import { h, icon, iconButton, uniqueID, whileBusy } from './dom.js';
import { makeField } from './fields.js';

/** @import { Child } from './types' */

/**
 * @typedef {object} Dialog
 * @property {HTMLDialogElement} element
 * @property {HTMLElement} body
 * @property {HTMLElement} footer
 * @property {() => Promise<void>} close closes it, unless `mayClose` says no
 * @property {() => void} end closes it in any case
 * @property {Promise<void>} closed
 */

/**
 * Opens a dialog.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {Child} [options.subtitle]
 * @param {string} [options.kind] its class: `wide`, `drawer`, or none
 * @param {boolean} [options.urgent] whether it interrupts the user with a question
 * @param {() => Promise<boolean>} [options.mayClose] asks before entries are lost
 * @returns {Dialog}
 */
export function openDialog({ title, subtitle, kind = '', urgent = false, mayClose = async () => true }) {
  const titleID = uniqueID('title');
  const bodyID = uniqueID('body');
  const body = h('div', { class: 'dialog-body', id: bodyID });
  const footer = h('footer', { class: 'dialog-footer' });
  const element = h(
    'dialog',
    {
      class: `dialog ${kind}`.trim(),
      'aria-labelledby': titleID,
      // A question is read with its text.
      ...(urgent ? { role: 'alertdialog', 'aria-describedby': bodyID } : {}),
    },
    h(
      'header',
      { class: 'dialog-header' },
      h('div', {}, h('h2', { id: titleID }, title), subtitle ? h('p', { class: 'muted' }, subtitle) : null),
      iconButton('close', 'Close', { onclick: () => close() }),
    ),
    body,
    footer,
  );
  /** @type {Promise<void>} */
  const closed = new Promise((resolve) => {
    element.addEventListener('close', () => {
      element.remove();
      resolve();
    });
  });
  const end = () => element.close();
  const close = async () => {
    if (await mayClose()) {
      end();
    }
  };
  element.addEventListener('cancel', (event) => {
    event.preventDefault();
    close();
  });
  // Chromium closes a dialog on a second Escape even if the first was refused.
  element.addEventListener('keydown', (event) => {
    // Escape in a search that has text clears the text.
    const inSearch =
      event.target instanceof HTMLInputElement && event.target.type === 'search' && event.target.value !== '';
    if (event.key === 'Escape' && !inSearch) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  document.body.append(element);
  element.showModal();
  return { element, body, footer, close, end, closed };
}

/**
 * Asks a question, and tells whether the user agrees.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {Child} options.text
 * @param {string} options.action what the button says that agrees
 * @param {string} [options.cancel] what the other button says
 * @param {boolean} [options.dangerous]
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, action, cancel = 'Cancel', dangerous = false }) {
  let agreed = false;
  const dialog = openDialog({ title, kind: 'small', urgent: true });
  dialog.body.append(
    h(
      'div',
      { class: 'question' },
      dangerous ? icon('alert', 'danger-icon') : icon('info', 'muted'),
      h('div', {}, text),
    ),
  );
  const no = h('button', { type: 'button', class: 'button', onclick: dialog.close }, cancel);
  const yes = h(
    'button',
    {
      type: 'button',
      class: `button ${dangerous ? 'danger' : 'primary'}`,
      onclick: () => {
        agreed = true;
        dialog.end();
      },
    },
    action,
  );
  dialog.footer.append(no, yes);
  no.focus();
  await dialog.closed;
  return agreed;
}

/**
 * Asks for a line of text. It returns null if the user gives none.
 *
 * @param {object} options
 * @param {string} options.title
 * @param {string} options.text
 * @param {string} options.label
 * @param {string} options.action
 * @param {string} [options.value] what is proposed
 * @param {number} [options.limit] of characters
 * @param {(answer: string) => Promise<void>} [options.submit] uses the answer; the dialog stays open if it fails
 * @returns {Promise<string | null>}
 */
export async function ask({ title, text, label, action, value = '', limit = 500, submit = async () => {} }) {
  /** @type {string | null} */
  let answer = null;
  const dialog = openDialog({ title, kind: 'small' });
  const spec = { name: 'answer', label, kind: /** @type {const} */ ('text'), required: true };
  const field = makeField('answer', spec, { value });
  const input = /** @type {HTMLInputElement} */ (field.element.querySelector('input'));
  input.maxLength = limit;
  input.required = true;
  const agreed = async () => {
    const given = input.value.trim();
    try {
      await whileBusy(agree, () => submit(given));
      answer = given || null;
      dialog.end();
    } catch (error) {
      field.setError(/** @type {Error} */ (error).message);
      field.focus();
    }
  };
  let running = Promise.resolve();
  const form = h('form', {
    id: uniqueID('form'),
    class: 'form-section',
    onsubmit: (/** @type {Event} */ event) => {
      event.preventDefault();
      running = agreed();
    },
  });
  const agree = h('button', { type: 'submit', form: form.id, class: 'button primary' }, action);
  form.append(h('p', {}, text), field.element);
  dialog.body.append(form);
  dialog.footer.append(
    h('button', { type: 'button', class: 'button', onclick: dialog.close }, 'Cancel'),
    agree,
  );
  input.select();
  input.focus();
  await dialog.closed;
  await running; // the dialog may be closed meanwhile
  return answer;
}
