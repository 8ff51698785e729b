// The fields of a provider: name, status, and the settings of its type. It knows
// what differs from what is saved.

import { fill, h, icon } from './dom.js';
import { makeField } from './fields.js';
import { ago } from './format.js';
import { toggle } from './parts.js';

/**
 * @import { Draft, FormField, Provider, ProviderType } from './types'
 * @import { Field } from './fields.js'
 */

export class ProviderForm {
  /**
   * @param {object} options
   * @param {Provider | null} options.provider null: a new one
   * @param {((field: string) => Promise<string>) | null} options.reveal
   * @param {() => void} options.onInput
   */
  constructor({ provider, reveal, onInput }) {
    this.base = provider;
    this.reveal = reveal;
    this.onInput = onInput;
    this.enabled = provider?.enabled ?? true;
    this.name = makeField(
      'name',
      {
        name: 'name',
        label: 'Name',
        kind: 'text',
        required: true,
        help: 'Shown wherever this provider can be chosen.',
      },
      { value: provider?.name, onInput },
    );
    /** @type {Field[]} */
    this.credentials = [];
    /** @type {Field[]} */
    this.config = [];
    /** @type {Map<string, {credentials: Field[], config: Field[]}>} */
    this.drawn = new Map();
    this.settings = h('div', { class: 'settings' });
    this.power = toggle('Provider is enabled', this.enabled, () => this.setEnabled(!this.enabled));
    this.powerText = h('span', {});
    this.element = h(
      'div',
      { class: 'form-section' },
      this.name.element,
      provider ? this.statusRow() : null,
      this.settings,
    );
    this.setEnabled(this.enabled);
  }

  statusRow() {
    return h('div', { class: 'status-row' }, this.power, this.powerText);
  }

  /** @param {boolean} enabled */
  setEnabled(enabled) {
    this.enabled = enabled;
    this.power.setAttribute('aria-checked', String(enabled));
    fill(
      this.powerText,
      h('strong', {}, enabled ? 'Enabled' : 'Disabled'),
      h(
        'span',
        { class: 'muted' },
        enabled ? ' Its enabled models can be used.' : ' Its models are not used.',
      ),
    );
  }

  /**
   * Draws the settings of a type. What was typed for another type stays there, so
   * that no credential is sent to the wrong provider.
   *
   * @param {ProviderType} type
   */
  setType(type) {
    const fields = this.drawn.get(type.type) ?? {
      credentials: type.credentials.map((spec) => this.credential(spec)),
      config: type.config.map((spec) =>
        makeField(`config.${spec.name}`, spec, {
          value: this.base?.config[spec.name],
          onInput: this.onInput,
        }),
      ),
    };
    this.drawn.set(type.type, fields);
    this.credentials = fields.credentials;
    this.config = fields.config;
    fill(
      this.settings,
      h(
        'p',
        { class: 'type-about' },
        h(
          'a',
          { href: type.docs_url, target: '_blank', rel: 'noopener noreferrer' },
          `Where to get credentials for ${type.label}`,
          icon('external'),
          h('span', { class: 'visually-hidden' }, ' (opens in a new tab)'),
        ),
      ),
      grouped(type.credentials, this.credentials),
      grouped(type.config, this.config),
    );
  }

  /** @param {FormField} spec */
  credential(spec) {
    const stored = this.base?.credentials[spec.name];
    const reveal = this.reveal;
    return makeField(`credentials.${spec.name}`, spec, {
      note: stored?.set ? `Stored ${ago(stored.updated_at)}. Leave blank to keep it.` : undefined,
      reveal: stored?.set && reveal ? () => reveal(spec.name) : null,
      onInput: this.onInput,
    });
  }

  fields() {
    return [this.name, ...this.credentials, ...this.config];
  }

  /**
   * The settings that differ from the saved ones; null if none does.
   *
   * @returns {Draft | null}
   */
  draft() {
    const credentials = changed(this.credentials, {});
    const config = changed(this.config, this.base?.config ?? {});
    const none = Object.keys(credentials).length + Object.keys(config).length === 0;
    return this.base && none ? null : { credentials, config };
  }

  /** The fields to send to the API: all of a new provider, the changed ones of a saved one. */
  value() {
    const draft = this.draft();
    const name = this.name.value().trim();
    if (!this.base) {
      return { name, ...draft };
    }
    return {
      ...(name === this.base.name ? {} : { name }),
      ...(this.enabled === this.base.enabled ? {} : { status: this.enabled ? 'active' : 'inactive' }),
      ...(draft && Object.keys(draft.credentials).length > 0 ? { credentials: draft.credentials } : {}),
      ...(draft && Object.keys(draft.config).length > 0 ? { config: draft.config } : {}),
    };
  }

  /**
   * Updates the fields that the user has not changed after somebody else has saved
   * the provider, and returns the labels of the fields that differ.
   *
   * @param {Provider} saved
   */
  rebase(saved) {
    const base = /** @type {Provider} */ (this.base);
    const differences = [];
    if (saved.name !== base.name) {
      differences.push('Name');
    }
    if (this.name.value().trim() === base.name) {
      this.name.setValue(saved.name);
    }
    if (saved.enabled !== base.enabled) {
      differences.push('Status');
      if (this.enabled === base.enabled) {
        this.setEnabled(saved.enabled);
      }
    }
    for (const field of this.config) {
      const name = nameOf(field);
      const [before, now] = [base.config[name] ?? '', saved.config[name] ?? ''];
      if (before !== now) {
        differences.push(field.label);
      }
      if (field.value() === before) {
        field.setValue(now);
      }
    }
    for (const field of this.credentials) {
      const name = nameOf(field);
      if (saved.credentials[name]?.updated_at !== base.credentials[name]?.updated_at) {
        differences.push(field.label);
      }
    }
    this.base = saved;
    return differences;
  }
}

/**
 * Puts the fields of each group side by side.
 *
 * @param {FormField[]} specs
 * @param {Field[]} fields drawn from these
 */
function grouped(specs, fields) {
  /** @type {Map<string, HTMLFieldSetElement>} */
  const groups = new Map();
  return fields.map(({ element }, i) => {
    const group = specs[i]?.group;
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

/**
 * @param {Field[]} fields
 * @param {Record<string, string>} base
 */
function changed(fields, base) {
  /** @type {Record<string, string>} */
  const values = {};
  for (const field of fields) {
    const value = field.value().trim();
    if (value !== (base[nameOf(field)] ?? '')) {
      values[nameOf(field)] = value;
    }
  }
  return values;
}

/** @param {Field} field */
function nameOf(field) {
  return field.path.slice(field.path.indexOf('.') + 1);
}
