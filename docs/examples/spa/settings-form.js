// The settings of a provider: credentials and config, drawn as its type describes them.

import { makeSecret } from './credential-field.js';
import { fill, h, icon, uniqueID } from './dom.js';
import { makeField } from './fields.js';
import { externalLink } from './parts.js';
import { makeSecretMap } from './secret-map.js';

/**
 * @import { CredentialState, Draft, FormField, Provider, ProviderType } from './types'
 * @import { Credential } from './credential-field.js'
 * @import { Field } from './fields.js'
 *
 * @typedef {(field: string) => Promise<string>} Reveal fetches a stored credential
 */

export class SettingsForm {
  /**
   * @param {object} options
   * @param {ProviderType} options.type
   * @param {Provider | null} options.provider what is saved; null: a new provider
   * @param {Reveal | null} options.reveal
   * @param {() => void} options.onInput
   */
  constructor({ type, provider, reveal, onInput }) {
    this.type = type;
    this.provider = provider;
    this.reveal = reveal;
    this.onInput = onInput;
    this.savedMethod = savedMethod(type, provider);
    this.method = this.savedMethod;
    this.credentials = type.credentials.map((spec) => ({ spec, field: this.credential(spec) }));
    this.config = type.config.map((spec) => ({
      spec,
      field: makeField(`config.${spec.name}`, spec, { value: provider?.config[spec.name], onInput }),
    }));
    this.inputs = h('div', { class: 'settings' });
    this.element = h(
      'div',
      { class: 'settings' },
      h(
        'p',
        { class: 'type-about' },
        externalLink(type.docs_url, `Where to get credentials for ${type.label}`),
      ),
      type.auth_methods.length > 1 ? this.methodChoice() : null,
      this.inputs,
    );
    this.draw();
  }

  /**
   * @param {FormField} spec
   * @returns {Credential}
   */
  credential(spec) {
    const { reveal, onInput } = this;
    const path = `credentials.${spec.name}`;
    const saved = statesOf(this.provider)[spec.name];
    if (spec.kind !== 'secret_map') {
      const state = /** @type {CredentialState | undefined} */ (saved);
      return makeSecret(path, spec, { state, reveal: reveal && (() => reveal(spec.name)), onInput });
    }
    const schema = /** @type {any} */ (this.type.credentials_schema);
    return makeSecretMap(path, spec, {
      states: /** @type {Record<string, CredentialState>} */ (saved ?? {}),
      limit: schema.properties?.[spec.name]?.maxProperties ?? Infinity,
      reveal: reveal && ((entry) => reveal(`${spec.name}.${entry}`)),
      onInput,
    });
  }

  methodChoice() {
    const name = uniqueID('method');
    return h(
      'fieldset',
      { class: 'stages' },
      h('legend', {}, 'Authentication'),
      this.type.auth_methods.map((method) => {
        const choose = () => {
          this.setMethod(method.name);
          this.onInput();
        };
        const button = h('input', { type: 'radio', name, value: method.name, onchange: choose });
        button.checked = method.name === this.method;
        return h('label', { class: 'stage-choice' }, button, h('span', {}, icon('check'), method.label));
      }),
    );
  }

  /** @param {string} method */
  setMethod(method) {
    this.method = method;
    for (const button of this.element.querySelectorAll('input')) {
      button.checked = button.type === 'radio' && button.value === method;
    }
    this.draw();
  }

  /** Draws the fields of the authentication method, and then those of all methods. */
  draw() {
    const { credentials, config } = this.shown();
    fill(
      this.inputs,
      grouped(credentials.filter(isOwn)),
      grouped(config.filter(isOwn)),
      grouped(credentials.filter((setting) => !isOwn(setting))),
      grouped(config.filter((setting) => !isOwn(setting))),
    );
  }

  /** The settings of the chosen authentication method, and those of all. */
  shown() {
    const isShown = (/** @type {{spec: FormField}} */ { spec }) =>
      (spec.auth_method ?? this.method) === this.method;
    return { credentials: this.credentials.filter(isShown), config: this.config.filter(isShown) };
  }

  /** @returns {Field[]} */
  fields() {
    const { credentials, config } = this.shown();
    return [
      ...credentials.flatMap(({ field }) => [field, ...field.parts()]),
      ...config.map(({ field }) => field),
    ];
  }

  /**
   * What the API can't report. It knows an authentication method only by its fields, so
   * it does not know that the user has chosen one and entered nothing.
   *
   * @returns {{field: string, message: string}[]}
   */
  problems() {
    const { credentials, config } = this.shown();
    const problems = credentials.flatMap(({ field }) => field.problems());
    const own = [...credentials, ...config].filter(isOwn);
    if (this.method === this.savedMethod || own.some(({ field }) => field.value().trim() !== '')) {
      return problems;
    }
    const required = own.filter(({ spec }) => spec.required);
    return [...problems, ...required.map(({ field }) => ({ field: field.path, message: 'is required' }))];
  }

  /**
   * The settings that differ from the saved ones.
   *
   * @returns {Draft}
   */
  draft() {
    const { credentials, config } = this.shown();
    /** @type {Draft} */
    const draft = { credentials: {}, config: {} };
    for (const { spec, field } of credentials) {
      const change = field.change();
      if (change !== undefined) {
        draft.credentials[spec.name] = change;
      }
    }
    for (const { spec, field } of config) {
      const value = field.value().trim();
      if (value !== (this.provider?.config[spec.name] ?? '')) {
        draft.config[spec.name] = value;
      }
    }
    return draft;
  }

  /**
   * Makes the changes again that the user has made in the form of an earlier version.
   *
   * @param {SettingsForm} old
   */
  restore(old) {
    if (old.method !== old.savedMethod) {
      this.setMethod(old.method);
    }
    const before = statesOf(old.provider);
    this.credentials.forEach(({ spec, field }, i) => {
      const change = old.credentials[i]?.field.change();
      if (change !== undefined) {
        field.restore(change, before[spec.name]);
      }
    });
    this.config.forEach(({ spec, field }, i) => {
      const entered = old.config[i]?.field.value() ?? '';
      if (entered !== (old.provider?.config[spec.name] ?? '')) {
        field.setValue(entered);
      }
    });
  }

  /**
   * The labels of the settings that are saved otherwise than in an earlier version.
   *
   * @param {SettingsForm} old
   */
  differences(old) {
    const [before, now] = [statesOf(old.provider), statesOf(this.provider)];
    return [
      ...this.config.filter(
        ({ spec }) => old.provider?.config[spec.name] !== this.provider?.config[spec.name],
      ),
      ...this.credentials.filter(
        ({ spec }) => JSON.stringify(before[spec.name]) !== JSON.stringify(now[spec.name]),
      ),
    ].map(({ field }) => field.label);
  }
}

/**
 * Whether a setting belongs to one authentication method.
 *
 * @param {{spec: FormField}} setting
 */
function isOwn({ spec }) {
  return spec.auth_method !== undefined;
}

/**
 * The authentication method that a saved provider uses, or else the default one.
 *
 * @param {ProviderType} type
 * @param {Provider | null} provider
 */
function savedMethod(type, provider) {
  const states = statesOf(provider);
  const used = [
    ...type.credentials.filter(({ name }) => states[name]?.set),
    ...type.config.filter(({ name }) => provider?.config[name]),
  ].find((spec) => spec.auth_method !== undefined);
  return used?.auth_method ?? type.auth_methods[0]?.name ?? '';
}

/**
 * The states of the credentials. Of a secret_map, it is the state of each entry.
 *
 * @param {Provider | null} provider
 */
function statesOf(provider) {
  return /** @type {Record<string, CredentialState | Record<string, CredentialState>>} */ (
    provider?.credentials ?? {}
  );
}

/**
 * Puts the fields of each group side by side.
 *
 * @param {{spec: FormField, field: Field}[]} settings
 */
function grouped(settings) {
  /** @type {Map<string, HTMLFieldSetElement>} */
  const groups = new Map();
  return settings.map(({ spec: { group }, field: { element } }) => {
    if (!group) {
      return element;
    }
    const known = groups.get(group.name);
    const set =
      known ?? h('fieldset', { class: 'columns' }, h('legend', { class: 'visually-hidden' }, group.label));
    set.append(element);
    groups.set(group.name, set);
    return known ? null : set;
  });
}
