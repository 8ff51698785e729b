// The list of models in the dialog of a provider. It is saved with the provider.

import { fill, h, icon, iconButton, uniqueID } from './dom.js';
import { makeField } from './fields.js';
import { stageChoice, toggle } from './parts.js';

/**
 * @import { AvailableModel, Model, ProviderType, Stage, StageName } from './types'
 * @import { Field } from './fields.js'
 *
 * @typedef {{id?: string, model_id: string, display_name: string, supported_stages: StageName[], enabled: boolean}} Entry
 *
 * @typedef {object} Row
 * @property {Model | undefined} base the saved model
 * @property {HTMLElement} element
 * @property {Record<string, Pick<Field, 'label' | 'setError' | 'focus'>>} fields
 * @property {() => Entry} value
 * @property {(entry: Entry) => void} setValue
 */

export class ModelsEditor {
  /**
   * @param {object} options
   * @param {Stage[]} options.stages
   * @param {boolean} options.mayTest
   * @param {() => void} options.discover
   * @param {(entry: Entry) => void} options.test
   */
  constructor({ stages, mayTest, discover, test }) {
    this.stages = stages;
    this.mayTest = mayTest;
    this.test = test;
    /** @type {ProviderType | undefined} */
    this.type = undefined;
    /** @type {Row[]} */
    this.rows = [];
    this.list = h('div', { class: 'model-rows' });
    this.none = h(
      'p',
      { class: 'muted none' },
      'No models yet. Browse the available models, or add a model by its ID.',
    );
    this.element = h(
      'section',
      { class: 'form-section' },
      h(
        'div',
        { class: 'section-head' },
        h('h3', {}, 'Models'),
        h(
          'div',
          { class: 'section-actions' },
          mayTest
            ? h(
                'button',
                { type: 'button', class: 'button small', onclick: discover },
                icon('list'),
                'Browse available',
              )
            : null,
          h(
            'button',
            { type: 'button', class: 'button small', onclick: () => this.addEmpty() },
            icon('plus'),
            'Add model',
          ),
        ),
      ),
      this.none,
      this.list,
    );
  }

  /**
   * Starts with the saved models of a provider.
   *
   * @param {readonly Model[]} models
   */
  load(models) {
    this.rows = models.map((model) => this.makeRow(entryOf(model), model));
    this.draw();
  }

  /**
   * Names the fields as a type does.
   *
   * @param {ProviderType} type
   */
  setType(type) {
    this.type = type;
    this.rows = this.rows.map((row) => this.makeRow(row.value(), row.base));
    this.draw();
  }

  draw() {
    fill(
      this.list,
      this.rows.map((row) => row.element),
    );
    this.none.hidden = this.rows.length > 0;
  }

  /** @returns {Entry[]} */
  value() {
    return this.rows.map((row) => row.value());
  }

  /** The model ids in the list. */
  ids() {
    return new Set(this.rows.map((row) => row.value().model_id));
  }

  addEmpty() {
    const row = this.makeRow({
      model_id: '',
      display_name: '',
      supported_stages: this.stages.slice(0, 1).map(({ stage }) => stage),
      enabled: true,
    });
    this.rows.push(row);
    this.draw();
    row.fields.model_id?.focus();
  }

  /**
   * @param {AvailableModel[]} models
   * @param {StageName[]} stages
   */
  addAll(models, stages) {
    if (models.length === 0) {
      return;
    }
    // The display name defaults to the model id, so it is empty only if both are.
    const isEmpty = (/** @type {Row} */ row) => row.base === undefined && row.value().display_name === '';
    this.rows = this.rows.filter((row) => !isEmpty(row));
    for (const { model_id, display_name } of models) {
      this.rows.push(this.makeRow({ model_id, display_name, supported_stages: stages, enabled: true }));
    }
    this.draw();
    this.rows.at(-1)?.element.scrollIntoView({ block: 'nearest' });
  }

  /**
   * Shows an error of the API at its row, and returns the field. Returns nothing if
   * the path is not that of a model.
   *
   * @param {string} path such as `models[1].model_id`
   * @param {string} message
   */
  setError(path, message) {
    const [, index, name = 'model_id'] = /^models\[(\d+)\](?:\.(\w+))?/.exec(path) ?? [];
    const row = this.rows[Number(index)];
    const field = row?.fields[name];
    field?.setError(`${field.label} ${message}`);
    return field;
  }

  clearErrors() {
    for (const field of this.rows.flatMap((row) => Object.values(row.fields))) {
      field.setError('');
    }
  }

  /**
   * Updates the models after somebody else has saved them. Keeps what the user
   * changed.
   *
   * @param {readonly Model[]} before the models that the user began with
   * @param {readonly Model[]} models the models that are saved now
   */
  rebase(before, models) {
    const kept = this.rows.flatMap((row) => {
      const saved = models.find((model) => model.id === row.base?.id);
      const untouched = row.base !== undefined && same(row.value(), entryOf(row.base));
      if (row.base === undefined || saved) {
        row.base = saved;
        if (saved && untouched) {
          row.setValue(entryOf(saved));
        }
        return [row];
      }
      // Somebody else removed it. If the user changed it, it becomes a new model.
      return untouched ? [] : [this.makeRow({ ...row.value(), id: undefined })];
    });
    const known = new Set(before.map((model) => model.id));
    const present = new Set(kept.map((row) => row.value().model_id));
    const added = models.filter((model) => !known.has(model.id) && !present.has(model.model_id));
    this.rows = [...kept, ...added.map((model) => this.makeRow(entryOf(model), model))];
    this.draw();
  }

  /**
   * @param {Entry} entry
   * @param {Model} [base]
   * @returns {Row}
   */
  makeRow(entry, base) {
    const group = uniqueID('model');
    const modelID = makeField(
      `${group}.model_id`,
      {
        name: 'model_id',
        label: this.type?.model_id_label ?? 'Model ID',
        kind: 'text',
        required: true,
        placeholder: this.type?.model_id_placeholder,
      },
      { value: entry.model_id, onInput: () => label() },
    );
    const displayName = makeField(
      `${group}.display_name`,
      {
        name: 'display_name',
        label: 'Display name',
        kind: 'text',
        required: false,
      },
      { value: entry.display_name === entry.model_id ? '' : entry.display_name, onInput: () => label() },
    );
    const stages = stageChoice(this.stages, entry.supported_stages, 'Stages', () => stagesError(''));
    const error = h('p', { class: 'field-error', role: 'alert', hidden: true });
    const stagesError = (/** @type {string} */ message) => {
      error.hidden = message === '';
      error.textContent = message;
    };
    let enabled = entry.enabled;
    const power = toggle('Enabled', enabled, () => {
      enabled = !enabled;
      power.setAttribute('aria-checked', String(enabled));
    });
    /** @type {Row} */
    const row = {
      base,
      fields: {
        model_id: modelID,
        display_name: displayName,
        supported_stages: {
          label: 'Stages',
          setError: stagesError,
          focus: () => stages.element.querySelector('input')?.focus(),
        },
      },
      value: () => ({
        ...(row.base ? { id: row.base.id } : {}),
        model_id: modelID.value().trim(),
        display_name: displayName.value().trim() || modelID.value().trim(),
        supported_stages: stages.value(),
        enabled,
      }),
      setValue: (entry) => {
        modelID.setValue(entry.model_id);
        displayName.setValue(entry.display_name === entry.model_id ? '' : entry.display_name);
        stages.setValue(entry.supported_stages);
        enabled = entry.enabled;
        power.setAttribute('aria-checked', String(enabled));
      },
      element: h(
        'div',
        { class: 'model-row', role: 'group' },
        h('div', { class: 'columns' }, modelID.element, displayName.element),
        h(
          'div',
          { class: 'model-row-foot' },
          h('div', {}, stages.element, error),
          h(
            'div',
            { class: 'row-actions' },
            power,
            this.mayTest
              ? iconButton('play', 'Test this model', { onclick: () => this.test(row.value()) })
              : null,
            iconButton('delete', 'Remove this model', { class: 'danger', onclick: () => this.remove(row) }),
          ),
        ),
      ),
    };
    const label = () => row.element.setAttribute('aria-label', row.value().display_name || 'New model');
    label();
    return row;
  }

  /** @param {Row} row */
  remove(row) {
    const index = this.rows.indexOf(row);
    this.rows.splice(index, 1);
    this.draw();
    const next = this.rows[index] ?? this.rows[index - 1];
    const target = next ? next.element : this.element;
    target.querySelector('button')?.focus();
  }
}

/** @param {Model} model @returns {Entry} */
export function entryOf({ id, model_id, display_name, supported_stages, enabled }) {
  return { id, model_id, display_name, supported_stages, enabled };
}

/**
 * @param {unknown} a
 * @param {unknown} b
 */
export function same(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
