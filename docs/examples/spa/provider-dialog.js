// The dialog that adds a provider or edits one. Everything in it is one save.

import { APIError, randomKey } from './api.js';
import { ask, confirm, openDialog } from './dialog.js';
import { openDiscovery } from './discovery.js';
import { fill, h, icon, uniqueID, whileBusy } from './dom.js';
import { duration } from './format.js';
import { unlessInUse } from './in-use.js';
import { ModelsEditor, entryOf, same } from './models-editor.js';
import { failure, hint, kindLabel, notice, quote } from './notice.js';
import { typeIcon } from './parts.js';
import { ProviderForm } from './provider-form.js';
import { openTestDrawer } from './test-drawer.js';

/**
 * @import { CheckResult, Context, Provider, ProviderType } from './types'
 * @import { Entry } from './models-editor.js'
 */

/**
 * Opens the dialog, and returns the saved provider, or null if nothing was saved.
 *
 * @param {Context} context
 * @param {Provider | null} provider null: a new one
 * @returns {Promise<Provider | null>}
 */
export async function openProviderDialog(context, provider) {
  const editor = new ProviderDialog(context, provider);
  await editor.dialog.closed;
  await editor.saving; // the dialog may be closed meanwhile
  return editor.saved;
}

class ProviderDialog {
  /**
   * @param {Context} context
   * @param {Provider | null} provider
   */
  constructor(context, provider) {
    this.context = context;
    this.provider = provider;
    /** @type {ProviderType | undefined} */
    this.type = context.types.find((type) => type.type === provider?.type);
    /** @type {Provider | null} */
    this.saved = null;
    this.saving = Promise.resolve();
    this.attempt = { body: '', key: '' };

    const mayTest = context.may('models:test');
    this.dialog = openDialog({
      title: provider ? `Edit ${provider.name}` : 'Add provider',
      subtitle: provider ? null : 'Connect your own account at a model provider.',
      kind: 'wide',
      mayClose: () => this.mayClose(),
    });
    this.alerts = h('div', { class: 'alerts' });
    this.form = new ProviderForm({
      provider,
      onInput: () => fill(this.checked),
      reveal: context.may('credentials:reveal') ? (field) => this.reveal(field) : null,
    });
    this.models = new ModelsEditor({
      stages: context.stages,
      mayTest,
      discover: () => this.discover(),
      test: (entry) => this.test(entry),
    });
    this.checkButton = h(
      'button',
      { type: 'button', class: 'button', onclick: () => this.check() },
      icon('plug'),
      'Test connection',
    );
    this.checked = h('div', { class: 'checked', 'aria-live': 'polite' });
    this.details = h(
      'div',
      { class: 'details-of-type', hidden: true },
      this.form.element,
      mayTest ? h('div', { class: 'form-section connection' }, this.checkButton, this.checked) : null,
      this.models.element,
    );
    this.saveButton = h(
      'button',
      { type: 'submit', class: 'button primary' },
      provider ? 'Save changes' : 'Add provider',
    );
    this.draw();
    this.unchanged = this.snapshot();
  }

  draw() {
    const { provider } = this;
    const form = h('form', {
      id: uniqueID('form'),
      novalidate: true,
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        this.saving = this.save();
      },
    });
    fill(form, this.alerts, provider ? this.fixedType(provider) : this.typeChoice(), this.details);
    this.dialog.body.append(form);
    this.saveButton.setAttribute('form', form.id);
    this.saveButton.disabled = !provider;
    const cancel = h('button', { type: 'button', class: 'button', onclick: this.dialog.close }, 'Cancel');
    this.dialog.footer.append(cancel, this.saveButton);
    if (provider && this.type) {
      this.setType(this.type);
      this.models.load(provider.models);
    }
    const first = provider ? this.form.name : this.dialog.body.querySelector('input');
    first?.focus();
  }

  /** Tiles to choose the type of a new provider from. */
  typeChoice() {
    const name = uniqueID('type');
    const tiles = this.context.types.map((type) =>
      h(
        'label',
        { class: 'type-tile' },
        h('input', { type: 'radio', name, value: type.type, onchange: () => this.setType(type) }),
        typeIcon(type, this.context.api.address),
        h('span', {}, h('strong', {}, type.label), h('span', { class: 'muted small' }, type.description)),
      ),
    );
    return h(
      'fieldset',
      { class: 'form-section types' },
      h('legend', {}, 'Provider type'),
      h('div', { class: 'type-tiles' }, tiles),
    );
  }

  /** @param {Provider} provider */
  fixedType(provider) {
    return h(
      'div',
      { class: 'fixed-type' },
      typeIcon(this.type, this.context.api.address),
      h(
        'div',
        {},
        h('strong', {}, provider.type_label),
        h(
          'p',
          { class: 'muted small' },
          'The type can’t be changed. To use another type, add another provider.',
        ),
      ),
    );
  }

  /** @param {ProviderType} type */
  setType(type) {
    this.type = type;
    this.form.setType(type);
    this.models.setType(type);
    fill(this.checked);
    this.details.hidden = false;
    this.saveButton.disabled = false;
  }

  /** The path of the calls that test what is in the dialog. */
  path() {
    return this.provider ? `/providers/${this.provider.id}` : `/provider-types/${this.type?.type}`;
  }

  label() {
    return this.form.name.value().trim() || this.type?.label || 'the provider';
  }

  /** What to send to the API to save everything. */
  body() {
    const models = this.models.value();
    if (!this.provider) {
      return { ...this.form.value(), type: this.type?.type, models };
    }
    return { ...this.form.value(), ...(same(models, this.provider.models.map(entryOf)) ? {} : { models }) };
  }

  snapshot() {
    return JSON.stringify({ ...this.body(), type: undefined, method: this.provider && this.form.method() });
  }

  async mayClose() {
    return (
      this.snapshot() === this.unchanged ||
      confirm({
        title: 'Discard your changes?',
        text: 'Your changes are not saved and will be lost.',
        action: 'Discard',
        cancel: 'Keep editing',
        dangerous: true,
      })
    );
  }

  async save() {
    if (this.provider && this.snapshot() === this.unchanged) {
      this.dialog.end();
      return;
    }
    if (!this.isComplete()) {
      return;
    }
    this.clearErrors();
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    this.dialog.body.inert = true; // what is typed now would not be saved
    await whileBusy(this.saveButton, async () => {
      try {
        this.saved = await this.send();
        if (this.saved) {
          this.dialog.end();
          return;
        }
        this.dialog.body.inert = false;
        focused?.focus();
      } catch (error) {
        this.dialog.body.inert = false;
        focused?.focus();
        if (error instanceof APIError && error.code === 'version_mismatch') {
          await this.rebase().catch((failed) => this.showError(failed));
        } else {
          this.showError(/** @type {Error} */ (error));
        }
      }
    });
  }

  async send() {
    const body = this.body();
    const { provider } = this;
    if (provider) {
      return unlessInUse({
        title: `${provider.name} is in use`,
        action: 'Save anyway',
        change: (force) => this.context.api.updateProvider(provider.id, body, provider.version, force),
      });
    }
    const text = JSON.stringify(body);
    if (this.attempt.body !== text) {
      this.attempt = { body: text, key: randomKey() };
    }
    return this.context.api.createProvider(body, this.attempt.key);
  }

  /** Updates the form after somebody else has saved the provider. Keeps what the user changed. */
  async rebase() {
    const before = /** @type {Provider} */ (this.provider);
    const now = await this.context.api.getProvider(before.id);
    const differences = this.form.rebase(now);
    if (!same(before.models.map(entryOf), now.models.map(entryOf))) {
      differences.push('Models');
    }
    this.models.rebase(before.models, now.models);
    this.provider = now;
    fill(
      this.alerts,
      notice(
        'warning',
        'This provider was changed while you were editing it.',
        h(
          'p',
          {},
          differences.length ? `Changed since you opened it: ${differences.join(', ')}. ` : '',
          'Your own changes are kept, and all other fields show the saved values. Review them, and save again.',
        ),
      ),
    );
    this.alerts.scrollIntoView({ block: 'nearest' });
    this.saveButton.focus();
  }

  clearErrors() {
    fill(this.alerts);
    this.form.fields().forEach((field) => field.setError(''));
    this.models.clearErrors();
  }

  /**
   * Shows what is wrong: next to its field if it has one, and above the form.
   *
   * @param {Error} error
   */
  showError(error) {
    this.clearErrors();
    const faults = error instanceof APIError ? error.fields : [];
    const elsewhere = [];
    let first;
    for (const { field: path, message } of faults) {
      const field = this.form.fields().find((field) => field.path === path);
      field?.setError(`${field.label} ${message}`);
      const shown = field ?? this.models.setError(path, message);
      first ??= shown;
      if (!shown) {
        elsewhere.push(h('li', {}, h('code', {}, path), ` ${message}`));
      }
    }
    // A single fault is shown only next to its field.
    if (faults.length !== 1 || elsewhere.length > 0) {
      fill(this.alerts, failure(error, elsewhere.length > 0 ? h('ul', {}, elsewhere) : null));
    }
    if (first) {
      first.focus();
    } else {
      this.alerts.scrollIntoView({ block: 'nearest' });
    }
  }

  /** Shows what is wrong that the API can't report, and returns whether there is nothing. */
  isComplete() {
    const problems = this.form.problems();
    if (problems.length > 0) {
      const detail = 'Some fields are empty, or are there twice.';
      this.showError(
        new APIError({ detail, errors: problems.map((problem) => ({ ...problem, code: 'invalid' })) }),
      );
    }
    return problems.length === 0;
  }

  async check() {
    this.clearErrors();
    fill(this.checked);
    if (!this.isComplete()) {
      return;
    }
    await whileBusy(this.checkButton, async () => {
      try {
        fill(this.checked, checkNotice(await this.context.api.check(this.path(), this.form.draft())));
      } catch (error) {
        if (error instanceof APIError && error.fields.length > 0) {
          this.showError(error);
        } else {
          fill(this.checked, failure(/** @type {Error} */ (error)));
        }
      }
    });
    this.checked.scrollIntoView({ block: 'nearest' });
  }

  async discover() {
    if (!this.isComplete()) {
      return;
    }
    const { models, stages } = await openDiscovery({
      name: this.label(),
      stages: this.context.stages,
      added: this.models.ids(),
      list: (q) => this.context.api.listAvailableModels(this.path(), this.form.draft(), q),
    });
    this.models.addAll(models, stages);
  }

  /**
   * Tests a model with what is in the dialog. A saved model of unchanged settings
   * is tested by its id, so that the result is kept.
   *
   * @param {Entry} entry
   */
  async test(entry) {
    if (!this.isComplete()) {
      return;
    }
    const { api } = this.context;
    const draft = this.form.draft();
    const saved = this.provider?.models.find(
      (model) => model.id === entry.id && model.model_id === entry.model_id,
    );
    await openTestDrawer({
      name: entry.display_name || 'the model',
      about: draft ? `${this.label()}, with unsaved settings` : this.label(),
      onRefused: (error) => this.showError(error),
      run: (prompt, signal) =>
        saved && !draft
          ? api.test(`/models/${saved.id}`, prompt, signal)
          : api.test(this.path(), { ...draft, ...prompt, model_id: entry.model_id }, signal),
    });
  }

  /** @param {string} field */
  async reveal(field) {
    const { api } = this.context;
    const id = /** @type {Provider} */ (this.provider).id;
    try {
      return (await api.revealCredential(id, field)).value;
    } catch (error) {
      if (!(error instanceof APIError) || !error.fields.some((fault) => fault.field === 'reason')) {
        throw error;
      }
    }
    const reason = await ask({
      title: 'Show a stored credential',
      text: 'This is recorded in the audit log, together with your reason.',
      label: 'Reason',
      action: 'Show',
    });
    return reason ? (await api.revealCredential(id, field, reason)).value : '';
  }
}

/**
 * What a check of the connection has found.
 *
 * @param {CheckResult} result
 */
function checkNotice({ error, proven, detail, latency_ms: latency }) {
  if (error) {
    return notice('error', kindLabel(error.kind), quote(error.message), hint(error.hint));
  }
  return proven
    ? notice('success', 'Connected', h('p', {}, `${detail} (${duration(latency)})`))
    : notice('info', 'The provider responded', h('p', {}, detail));
}
