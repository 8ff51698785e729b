// The card of a provider, with its models.

import { h, icon, iconButton } from './dom.js';
import { ago, count, dateTime, duration } from './format.js';
import { kindLabel, quote } from './notice.js';
import { statusChip, toggle, typeIcon } from './parts.js';
import { stageChip } from './verify-drawer.js';

/**
 * @import { Context, Model, Provider } from './types'
 *
 * @typedef {object} Actions
 * @property {(provider: Provider, button: HTMLButtonElement) => void} edit
 * @property {(provider: Provider) => void} clone
 * @property {(provider: Provider) => void} remove
 * @property {(provider: Provider, button: HTMLButtonElement) => void} power
 * @property {(provider: Provider, button: HTMLButtonElement) => void} check
 * @property {(provider: Provider, model: Model) => void} test
 * @property {(provider: Provider) => void} testAll
 * @property {(provider: Provider, model: Model) => void} verify
 */

/** How many models a card shows before the rest is folded away. */
const shownModels = 5;

/**
 * @param {Context} context
 * @param {Provider} provider
 * @param {Actions} actions
 */
export function makeCard(context, provider, actions) {
  const { may, types, api } = context;
  const titleID = `provider-${provider.id}`;
  const type = types.find((type) => type.type === provider.type);
  const ofAll = type?.config.filter((spec) => spec.auth_method === undefined) ?? [];
  const settings = ofAll.flatMap((spec) => provider.config[spec.name] ?? []).join(' · ');
  return h(
    'li',
    { class: `card ${provider.enabled ? '' : 'off'}`.trim(), 'data-id': provider.id },
    h(
      'article',
      { 'aria-labelledby': titleID },
      h(
        'header',
        { class: 'card-head' },
        typeIcon(type, api.address),
        h(
          'div',
          { class: 'card-title' },
          h('div', { class: 'card-name' }, h('h2', { id: titleID }, provider.name), statusChip(provider)),
          h(
            'p',
            { class: 'muted small' },
            provider.type_label,
            settings ? h('span', { class: 'card-config' }, ` · ${settings}`) : null,
          ),
          lastCheck(provider),
        ),
        may('providers:write')
          ? h(
              'div',
              { class: 'card-actions' },
              toggle(`${provider.name} is enabled`, provider.enabled, (button) =>
                actions.power(provider, button),
              ),
              iconButton('edit', `Edit ${provider.name}`, {
                onclick: press((button) => actions.edit(provider, button)),
              }),
              iconButton('copy', `Clone ${provider.name}`, { onclick: () => actions.clone(provider) }),
              iconButton('delete', `Delete ${provider.name}`, {
                class: 'danger',
                onclick: () => actions.remove(provider),
              }),
            )
          : null,
      ),
      provider.error ? errorBox(context, provider, actions) : null,
      modelList(context, provider, actions),
    ),
  );
}

/**
 * Makes a listener that gets the pressed button.
 *
 * @param {(button: HTMLButtonElement) => void} action
 */
function press(action) {
  return (/** @type {Event} */ event) => action(/** @type {HTMLButtonElement} */ (event.currentTarget));
}

/**
 * Why a card is red.
 *
 * @param {Context} context
 * @param {Provider} provider
 * @param {Actions} actions
 */
function errorBox({ may }, provider, actions) {
  const error = /** @type {NonNullable<Provider['error']>} */ (provider.error);
  const about = error.model_id ? [' Model: ', h('code', {}, error.model_id), '.'] : null;
  return h(
    'div',
    { class: 'notice error' },
    icon('error'),
    h(
      'div',
      { class: 'notice-text' },
      h('p', { class: 'notice-title' }, kindLabel(error.kind)),
      quote(error.message),
      h(
        'p',
        { class: 'muted small' },
        'First seen ',
        h('time', { datetime: error.since, title: dateTime(error.since) }, ago(error.since)),
        '.',
        about,
      ),
      may('models:test')
        ? h(
            'button',
            {
              type: 'button',
              class: 'button small',
              onclick: press((button) => actions.check(provider, button)),
            },
            icon('refresh'),
            'Check again',
          )
        : null,
    ),
  );
}

/**
 * @param {Context} context
 * @param {Provider} provider
 * @param {Actions} actions
 */
function modelList(context, provider, actions) {
  const { models, model_count: all, enabled_model_count: enabled } = provider;
  const items = models.map((model) => modelItem(context, provider, model, actions));
  const more = items.slice(shownModels);
  return h(
    'div',
    { class: 'models' },
    h(
      'div',
      { class: 'models-head' },
      h(
        'h3',
        {},
        count(all, 'model'),
        all > enabled ? h('span', { class: 'muted' }, ` · ${enabled} enabled`) : null,
      ),
      enabled > 1 && context.may('models:test')
        ? h(
            'button',
            {
              type: 'button',
              class: 'button small',
              'aria-label': `Test all models of ${provider.name}`,
              onclick: () => actions.testAll(provider),
            },
            icon('play'),
            'Test all',
          )
        : null,
    ),
    items.length
      ? h('ul', { 'aria-label': `Models of ${provider.name}` }, items.slice(0, shownModels))
      : h('p', { class: 'muted small none' }, 'No models yet. Edit this provider to add some.'),
    more.length
      ? h(
          'details',
          { class: 'more' },
          h('summary', {}, `${count(more.length, 'more model')}`),
          h('ul', { 'aria-label': `More models of ${provider.name}` }, more),
        )
      : null,
  );
}

/**
 * @param {Context} context
 * @param {Provider} provider
 * @param {Model} model
 * @param {Actions} actions
 */
function modelItem({ stages, may }, provider, model, actions) {
  const chips = model.supported_stages.map((stage) =>
    stageChip(stages.find((known) => known.stage === stage)?.label ?? stage, model.stage_checks[stage]),
  );
  return h(
    'li',
    { class: `model ${model.enabled ? '' : 'off'}`.trim(), 'data-model': model.id },
    h(
      'div',
      { class: 'model-name' },
      h('strong', {}, model.display_name),
      model.display_name === model.model_id ? null : h('code', {}, model.model_id),
    ),
    h(
      'div',
      { class: 'model-stages' },
      model.enabled ? null : h('span', { class: 'chip disabled' }, 'Disabled'),
      chips,
    ),
    lastTest(model),
    may('models:test')
      ? h(
          'div',
          { class: 'model-actions' },
          iconButton('verify', `Verify the stages of ${model.display_name}`, {
            class: 'play',
            onclick: () => actions.verify(provider, model),
          }),
          iconButton('play', `Test ${model.display_name}`, {
            class: 'play',
            onclick: () => actions.test(provider, model),
          }),
        )
      : null,
  );
}

/** @param {Provider} provider */
function lastCheck({ last_check: check }) {
  if (!check) {
    return null;
  }
  const how = check.by === 'test' ? 'by a short prompt to a model' : 'by listing its models';
  const failed = check.kind ? `: ${kindLabel(check.kind)}` : '';
  return h(
    'p',
    { class: 'muted small' },
    failed ? 'Last check failed ' : 'Checked ',
    h('time', { datetime: check.at, title: `${dateTime(check.at)}, ${how}` }, ago(check.at)),
    failed,
  );
}

/** @param {Model} model */
function lastTest({ last_test: test }) {
  if (!test) {
    return h('span', { class: 'last-test muted' }, 'Not tested');
  }
  const when = `Tested ${dateTime(test.at)}`;
  return test.status === 'success'
    ? h('span', { class: 'last-test good', title: when }, icon('check'), duration(test.latency_ms))
    : h(
        'span',
        { class: 'last-test bad', title: `${when}. ${kindLabel(test.kind ?? '')}` },
        icon('alert'),
        (test.kind ?? 'failed').replaceAll('_', ' '),
      );
}
