// The dialog that lists the models which a provider offers, to choose from.

import { openDialog } from './dialog.js';
import { fill, h, icon, uniqueID } from './dom.js';
import { count } from './format.js';
import { failure, notice } from './notice.js';
import { stageChoice } from './parts.js';

/**
 * @import { AvailableModel, AvailableModels, Stage, StageName } from './types'
 *
 * @typedef {object} Options
 * @property {string} name of the provider
 * @property {Stage[]} stages
 * @property {Set<string>} added model ids that are in the list already
 * @property {(q?: string) => Promise<AvailableModels>} list
 */

/** How long the search waits for the next key, in milliseconds. */
const pause = 300;

/**
 * Opens the dialog, and returns the chosen models with the stages to give them.
 *
 * @param {Options} options
 * @returns {Promise<{models: AvailableModel[], stages: StageName[]}>}
 */
export async function openDiscovery(options) {
  const discovery = new Discovery(options);
  await discovery.load();
  await discovery.dialog.closed;
  return { models: discovery.agreed ? [...discovery.chosen.values()] : [], stages: discovery.stages.value() };
}

class Discovery {
  /** @param {Options} options */
  constructor({ name, stages, added, list }) {
    this.name = name;
    this.added = added;
    this.list = list;
    /** @type {Map<string, AvailableModel>} */
    this.chosen = new Map();
    /** @type {AvailableModels} */
    this.found = { data: [], supported: true, truncated: false };
    this.agreed = false;
    this.timer = 0;
    this.dialog = openDialog({
      title: 'Available models',
      subtitle: `Models that ${name} offers with these settings.`,
    });
    this.search = h('input', {
      id: uniqueID('search'),
      class: 'input',
      type: 'search',
      placeholder: 'Search models',
      autocomplete: 'off',
      spellcheck: 'false',
      oninput: () => this.narrow(),
    });
    this.summary = h('p', { class: 'muted small', role: 'status' });
    this.all = h('button', { type: 'button', class: 'button small', onclick: () => this.chooseAll() });
    this.items = h('ul', { class: 'choices', 'aria-label': 'Models' });
    const first = stages.slice(0, 1).map(({ stage }) => stage);
    this.stages = stageChoice(stages, first, 'Stages of the selected models', () => this.update());
    this.add = h('button', { type: 'button', class: 'button primary', onclick: () => this.agree() });
    const cancel = h('button', { type: 'button', class: 'button', onclick: this.dialog.close }, 'Cancel');
    this.dialog.footer.append(cancel, this.add);
    this.update();
  }

  async load() {
    const { body } = this.dialog;
    fill(
      body,
      h(
        'p',
        { class: 'waiting muted' },
        h('span', { class: 'spinner' }),
        `Loading the models of ${this.name}…`,
      ),
    );
    try {
      this.found = await this.list();
    } catch (error) {
      const retry = { type: 'button', class: 'button small', onclick: () => this.load() };
      const again = h('button', retry, icon('refresh'), 'Try again');
      fill(body, failure(/** @type {Error} */ (error), h('p', {}, again)));
      return;
    }
    if (!this.found.supported) {
      const instead = h('p', {}, 'Add models by their model ID instead.');
      fill(body, notice('info', 'This provider has no list of models.', instead));
      return;
    }
    if (this.found.data.length === 0) {
      fill(body, notice('info', 'The provider offers no models with these credentials.'));
      return;
    }
    const label = h('span', { class: 'visually-hidden' }, 'Search models');
    const search = h('label', { class: 'search', for: this.search.id }, icon('search'), label, this.search);
    const row = h('div', { class: 'search-row' }, search, this.all);
    fill(body, row, this.summary, this.items, this.stages.element);
    this.draw();
    this.search.focus();
  }

  /** Searches a complete list here. If the API returned only a part, the API searches. */
  narrow() {
    clearTimeout(this.timer);
    this.draw();
    if (this.found.truncated) {
      this.timer = setTimeout(async () => {
        const found = await this.list(this.search.value.trim()).catch(() => this.found);
        this.found = { ...found, truncated: true };
        this.draw();
      }, pause);
    }
  }

  /** The models that match the search. */
  shown() {
    const q = this.search.value.trim().toLowerCase();
    return this.found.data.filter((model) =>
      `${model.model_id} ${model.display_name}`.toLowerCase().includes(q),
    );
  }

  /** The models that match the search and can be chosen. */
  free() {
    return this.shown().filter((model) => !this.added.has(model.model_id));
  }

  draw() {
    const models = this.shown();
    fill(
      this.items,
      models.map((model) => this.item(model)),
      models.length === 0 ? h('li', { class: 'none muted' }, 'No models match this search.') : null,
    );
    this.update();
  }

  /** @param {AvailableModel} model */
  item(model) {
    const added = this.added.has(model.model_id);
    const box = h('input', {
      type: 'checkbox',
      disabled: added,
      onchange: () => {
        this.choose(model, box.checked);
        this.update();
      },
    });
    box.checked = added || this.chosen.has(model.model_id);
    return h(
      'li',
      {},
      h(
        'label',
        { class: 'choice' },
        box,
        h('span', {}, model.display_name),
        model.display_name === model.model_id ? null : h('code', {}, model.model_id),
        added ? h('span', { class: 'chip' }, 'Added') : null,
      ),
    );
  }

  /**
   * @param {AvailableModel} model
   * @param {boolean} chosen
   */
  choose(model, chosen) {
    if (chosen) {
      this.chosen.set(model.model_id, model);
    } else {
      this.chosen.delete(model.model_id);
    }
  }

  /** Whether all models that match the search are chosen. */
  hasAll() {
    return this.free().every((model) => this.chosen.has(model.model_id));
  }

  chooseAll() {
    const none = this.hasAll();
    for (const model of this.free()) {
      this.choose(model, !none);
    }
    this.draw();
  }

  /** Shows how many models there are and how many are chosen. */
  update() {
    const more = this.found.truncated ? '. The provider has more models; search to find them.' : '';
    this.summary.textContent = `${count(this.shown().length, 'model')}, ${this.chosen.size} selected${more}`;
    this.all.disabled = this.free().length === 0;
    this.all.textContent = !this.all.disabled && this.hasAll() ? 'Select none' : 'Select all';
    this.add.textContent = this.chosen.size ? `Add ${count(this.chosen.size, 'model')}` : 'Add models';
    this.add.disabled = this.chosen.size === 0 || this.stages.value().length === 0;
  }

  agree() {
    this.agreed = true;
    this.dialog.end();
  }
}
