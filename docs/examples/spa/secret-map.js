// The field of a credential with several values, such as HTTP headers: a name and a secret
// for each.

import { makeSecret } from './credential-field.js';
import { fill, h, icon, iconButton, uniqueID } from './dom.js';
import { makeField } from './fields.js';

/**
 * @import { CredentialState, FormField } from './types'
 * @import { Credential } from './credential-field.js'
 * @import { Field } from './fields.js'
 *
 * @typedef {object} Options
 * @property {Record<string, CredentialState>} states of the stored entries
 * @property {number} limit of entries
 * @property {((entry: string) => Promise<string>) | null} reveal fetches a stored secret
 * @property {() => void} onInput
 *
 * @typedef {object} Row
 * @property {Field} name
 * @property {Credential} value
 * @property {HTMLElement} element
 */

/**
 * @param {string} path
 * @param {FormField} spec
 * @param {Options} options
 * @returns {Credential}
 */
export function makeSecretMap(path, spec, options) {
  const map = new SecretMap(path, spec, options);
  return {
    path,
    label: spec.label,
    element: map.element,
    value: () => '',
    setValue: () => {},
    setError: (message) => map.setError(message),
    focus: () => map.addButton.focus(),
    change: () => map.change(),
    restore: (change, before) => map.restore(/** @type {any} */ (change), /** @type {any} */ (before ?? {})),
    parts: () => map.parts(),
    problems: () => map.problems(),
  };
}

class SecretMap {
  /**
   * @param {string} path
   * @param {FormField} spec
   * @param {Options} options
   */
  constructor(path, spec, options) {
    this.path = path;
    this.spec = spec;
    this.options = options;
    const id = uniqueID('map');
    this.rows = Object.entries(options.states).map(([name, state]) => this.makeRow(name, state));
    this.list = h('div', { class: 'map-rows' });
    this.error = h('p', { id: `${id}-error`, class: 'field-error', hidden: true });
    this.addButton = h(
      'button',
      { type: 'button', class: 'button small', onclick: () => this.add('').name.focus() },
      icon('plus'),
      h('span', {}, 'Add', h('span', { class: 'visually-hidden' }, ` to ${spec.label}`)),
    );
    this.element = h(
      'fieldset',
      { class: 'field secret-map', 'data-path': path, 'aria-describedby': `${id}-help ${id}-error` },
      h('legend', { class: 'label' }, spec.label, h('span', { class: 'optional' }, 'optional')),
      this.list,
      h('div', { class: 'field-actions' }, this.addButton),
      h('p', { id: `${id}-help`, class: 'help' }, spec.help),
      this.error,
    );
    this.draw();
  }

  draw() {
    fill(
      this.list,
      this.rows.map((row) => row.element),
    );
    this.addButton.disabled = this.rows.length >= this.options.limit;
  }

  /**
   * @param {string} entry
   * @param {CredentialState} [state] undefined: a new entry
   * @returns {Row}
   */
  makeRow(entry, state) {
    const { reveal, onInput } = this.options;
    const name = makeField(
      `${this.path}.name`,
      { name: 'name', label: 'Name', kind: 'text', required: true, placeholder: this.spec.placeholder },
      { value: entry, onInput: () => changed() },
    );
    name.element.querySelector('input')?.toggleAttribute('readonly', state !== undefined);
    const value = makeSecret(
      `${this.path}.value`,
      { name: 'value', label: 'Value', kind: 'secret', required: true },
      { state, reveal: reveal && (() => reveal(entry)), onInput },
    );
    const removeButton = iconButton('delete', 'Remove this entry', {
      class: 'danger',
      onclick: () => this.remove(row),
    });
    const element = h('div', { class: 'map-row', role: 'group' }, name.element, value.element, removeButton);
    /** @type {Row} */
    const row = { name, value, element };
    const changed = () => {
      element.setAttribute('aria-label', nameOf(row) || 'New entry');
      onInput();
    };
    element.setAttribute('aria-label', entry || 'New entry');
    return row;
  }

  /** @param {string} name */
  add(name) {
    const row = this.makeRow(name);
    this.rows.push(row);
    this.draw();
    return row;
  }

  /** @param {Row} row */
  remove(row) {
    const index = this.rows.indexOf(row);
    this.rows.splice(index, 1);
    this.draw();
    this.options.onInput();
    const next = this.rows[index] ?? this.rows[index - 1];
    (next?.element.querySelector('button') ?? this.addButton).focus();
  }

  /** The rows in which something was entered. */
  entered() {
    return this.rows.filter((row) => nameOf(row) !== '' || row.value.value() !== '');
  }

  /** All wanted entries, if they differ from the stored ones. An empty value keeps the stored one. */
  change() {
    const { states } = this.options;
    const entries = this.entered().map((row) => [nameOf(row), row.value.value()]);
    const kept =
      entries.length === Object.keys(states).length &&
      entries.every(([name = '', value]) => name in states && value === '');
    return kept ? undefined : Object.fromEntries(entries);
  }

  /**
   * Makes a change again that was made to other stored entries.
   *
   * @param {Record<string, string>} change
   * @param {Record<string, CredentialState>} before those entries
   */
  restore(change, before) {
    this.rows = this.rows.filter((row) => nameOf(row) in change || !(nameOf(row) in before));
    for (const [name, value] of Object.entries(change)) {
      if (value !== '' || !(name in before)) {
        const row = this.rows.find((row) => nameOf(row) === name) ?? this.add(name);
        row.value.setValue(value);
      }
    }
    this.draw();
  }

  /** @returns {Field[]} the values, with their paths in errors of the API */
  parts() {
    return this.entered().map((row) => ({
      ...row.value,
      path: `${this.path}.${nameOf(row)}`,
      label: nameOf(row) || 'The name',
    }));
  }

  /** What the API can't report, because an object has each name once. */
  problems() {
    return this.entered()
      .map((row) => nameOf(row).toLowerCase())
      .flatMap((name, i, names) =>
        names.indexOf(name) < i ? [{ field: `${this.path}.${name}`, message: 'is there twice' }] : [],
      );
  }

  /** @param {string} message */
  setError(message) {
    this.error.hidden = message === '';
    fill(this.error, message === '' ? null : [icon('error'), message]);
  }
}

/** @param {Row} row */
function nameOf(row) {
  return row.name.value().trim();
}
