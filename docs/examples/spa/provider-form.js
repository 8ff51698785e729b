// The fields of a provider: name, status, and the settings of its type. It knows
// what differs from what is saved.

import { fill, h } from './dom.js';
import { makeField } from './fields.js';
import { toggle } from './parts.js';
import { SettingsForm } from './settings-form.js';

/**
 * @import { Draft, Provider, ProviderType } from './types'
 * @import { Field } from './fields.js'
 * @import { Reveal } from './settings-form.js'
 */

export class ProviderForm {
  /**
   * @param {object} options
   * @param {Provider | null} options.provider null: a new one
   * @param {Reveal | null} options.reveal
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
    /** @type {SettingsForm | undefined} */
    this.settings = undefined;
    /** @type {Map<string, SettingsForm>} */
    this.drawn = new Map();
    this.place = h('div', {});
    this.power = toggle('Provider is enabled', this.enabled, () => this.setEnabled(!this.enabled));
    this.powerText = h('span', {});
    this.element = h(
      'div',
      { class: 'form-section' },
      this.name.element,
      provider ? this.statusRow() : null,
      this.place,
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
    const { base: provider, reveal, onInput } = this;
    this.settings = this.drawn.get(type.type) ?? new SettingsForm({ type, provider, reveal, onInput });
    this.drawn.set(type.type, this.settings);
    fill(this.place, this.settings.element);
  }

  /** @returns {Field[]} */
  fields() {
    return [this.name, ...(this.settings?.fields() ?? [])];
  }

  /** What the API can't report. */
  problems() {
    return this.settings?.problems() ?? [];
  }

  /** The chosen authentication method. */
  method() {
    return this.settings?.method;
  }

  /**
   * The settings that differ from the saved ones; null if none does.
   *
   * @returns {Draft | null}
   */
  draft() {
    const draft = this.settings?.draft() ?? { credentials: {}, config: {} };
    const none = Object.keys(draft.credentials).length + Object.keys(draft.config).length === 0;
    return this.base && none ? null : draft;
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
    this.base = saved;
    if (this.settings) {
      const old = this.settings;
      this.drawn.clear();
      this.setType(old.type);
      this.settings.restore(old);
      differences.push(...this.settings.differences(old));
    }
    return differences;
  }
}
