// The dialog that lists the models which a provider offers, to choose from.

import { openDialog } from './dialog.js';
import { fill, h, icon, uniqueID } from './dom.js';
import { count } from './format.js';
import { failure, notice } from './notice.js';
import { stageChoice } from './parts.js';

/** @import { AvailableModel, AvailableModels, Stage, StageName } from './types' */

/** How long the search waits for the next key, in milliseconds. */
const pause = 300;

/**
 * Opens the dialog, and returns the chosen models with the stages to give them.
 *
 * @param {object} options
 * @param {string} options.name of the provider
 * @param {Stage[]} options.stages
 * @param {Set<string>} options.added model ids that are in the list already
 * @param {(q?: string) => Promise<AvailableModels>} options.list
 * @returns {Promise<{models: AvailableModel[], stages: StageName[]}>}
 */
export async function openDiscovery({ name, stages, added, list }) {
  /** @type {Map<string, AvailableModel>} */
  const chosen = new Map();
  /** @type {AvailableModels} */
  let found = { data: [], supported: true, truncated: false };
  let agreed = false;

  const dialog = openDialog({
    title: 'Available models',
    subtitle: `What ${name} offers with these settings.`,
  });
  const searchID = uniqueID('search');
  const search = h('input', {
    id: searchID,
    class: 'input',
    type: 'search',
    placeholder: 'Search models',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const summary = h('p', { class: 'muted small', role: 'status' });
  const all = h('button', { type: 'button', class: 'button small' }, 'Select all');
  const items = h('ul', { class: 'choices', 'aria-label': 'Models' });
  const choice = stageChoice(
    stages,
    stages.slice(0, 1).map(({ stage }) => stage),
    'Stages of the selected models',
    () => update(),
  );
  const add = h('button', { type: 'button', class: 'button primary' });

  const shown = () => {
    const q = search.value.trim().toLowerCase();
    return found.data.filter((model) => `${model.model_id} ${model.display_name}`.toLowerCase().includes(q));
  };
  const isAdded = (/** @type {AvailableModel} */ model) => added.has(model.model_id);

  const update = () => {
    add.textContent = chosen.size ? `Add ${count(chosen.size, 'model')}` : 'Add models';
    add.disabled = chosen.size === 0 || choice.value().length === 0;
    const models = shown();
    const free = models.filter((model) => !isAdded(model));
    all.disabled = free.length === 0;
    all.textContent =
      free.length > 0 && free.every((model) => chosen.has(model.model_id)) ? 'Select none' : 'Select all';
    summary.textContent = `${count(models.length, 'model')}${found.truncated ? ' of more; search to narrow them down' : ''}, ${chosen.size} selected`;
  };
  const draw = () => {
    const models = shown();
    fill(
      items,
      models.map((model) => item(model)),
    );
    if (models.length === 0) {
      items.append(h('li', { class: 'none muted' }, 'No model matches this search.'));
    }
    update();
  };
  /** @param {AvailableModel} model */
  const item = (model) => {
    const box = h('input', {
      type: 'checkbox',
      disabled: isAdded(model),
      onchange: () => {
        if (box.checked) {
          chosen.set(model.model_id, model);
        } else {
          chosen.delete(model.model_id);
        }
        update();
      },
    });
    box.checked = isAdded(model) || chosen.has(model.model_id);
    return h(
      'li',
      {},
      h(
        'label',
        { class: 'choice' },
        box,
        h('span', { class: 'choice-name' }, model.display_name),
        model.display_name === model.model_id ? null : h('code', {}, model.model_id),
        isAdded(model) ? h('span', { class: 'chip' }, 'Added') : null,
      ),
    );
  };
  all.addEventListener('click', () => {
    const free = shown().filter((model) => !isAdded(model));
    const none = free.every((model) => chosen.has(model.model_id));
    for (const model of free) {
      if (none) {
        chosen.delete(model.model_id);
      } else {
        chosen.set(model.model_id, model);
      }
    }
    draw();
  });

  const load = async (q = '') => {
    fill(dialog.body, h('p', { class: 'waiting muted' }, h('span', { class: 'spinner' }), `Asking ${name}…`));
    try {
      found = await list(q);
    } catch (error) {
      const again = h(
        'button',
        { type: 'button', class: 'button small', onclick: () => load(q) },
        icon('refresh'),
        'Try again',
      );
      fill(dialog.body, failure(/** @type {Error} */ (error), h('p', {}, again)));
      return;
    }
    if (!found.supported) {
      fill(
        dialog.body,
        notice('info', 'This provider has no list of models.', h('p', {}, 'Add models by their id instead.')),
      );
      return;
    }
    if (found.data.length === 0 && q === '') {
      fill(dialog.body, notice('info', 'The provider offers no models with these credentials.'));
      return;
    }
    fill(
      dialog.body,
      h(
        'div',
        { class: 'search-row' },
        h(
          'label',
          { class: 'search', for: searchID },
          icon('search'),
          h('span', { class: 'visually-hidden' }, 'Search models'),
          search,
        ),
        all,
      ),
      summary,
      items,
      choice.element,
    );
    draw();
    search.focus();
  };

  // Longer lists are searched by the API; others here.
  let timer = 0;
  search.addEventListener('input', () => {
    clearTimeout(timer);
    draw();
    if (found.truncated) {
      timer = setTimeout(async () => {
        found = await list(search.value.trim()).catch(() => found);
        found.truncated = true;
        draw();
      }, pause);
    }
  });
  add.addEventListener('click', () => {
    agreed = true;
    dialog.end();
  });
  dialog.footer.append(
    h('button', { type: 'button', class: 'button', onclick: dialog.close }, 'Cancel'),
    add,
  );
  update();
  await load();
  await dialog.closed;
  return { models: agreed ? [...chosen.values()] : [], stages: choice.value() };
}
