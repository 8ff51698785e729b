// Small parts that several screens show.

import { h, icon } from './dom.js';

/** @import { Child, Provider, ProviderType, Stage, StageName } from './types' */

/**
 * The icon of a provider type.
 *
 * @param {ProviderType | undefined} type
 * @param {string} address of the API
 */
export function typeIcon(type, address) {
  return type
    ? h('img', {
        class: 'type-icon',
        src: new URL(type.icon_url, address).href,
        alt: '',
        width: 40,
        height: 40,
      })
    : null;
}

/**
 * A link to a page elsewhere, which opens in another tab.
 *
 * @param {string} href
 * @param {string} label
 */
export function externalLink(href, label) {
  return h(
    'a',
    { href, target: '_blank', rel: 'noopener noreferrer' },
    label,
    icon('external'),
    h('span', { class: 'visually-hidden' }, ' (opens in a new tab)'),
  );
}

/** @param {Provider} provider */
export function statusChip(provider) {
  const words = { active: 'Active', inactive: 'Inactive', error: 'Error' };
  return h('span', { class: `chip status ${provider.status}` }, words[provider.status]);
}

/**
 * A switch.
 *
 * @param {string} label
 * @param {boolean} on
 * @param {(button: HTMLButtonElement) => void} onclick
 */
export function toggle(label, on, onclick) {
  const button = h('button', {
    type: 'button',
    role: 'switch',
    class: 'switch',
    'aria-checked': String(on),
    'aria-label': label,
    title: label,
    onclick: () => onclick(button),
  });
  return button;
}

/**
 * Checkboxes for stages, drawn as chips.
 *
 * @param {Stage[]} stages
 * @param {readonly StageName[]} chosen
 * @param {string} legend
 * @param {() => void} [onChange]
 */
export function stageChoice(stages, chosen, legend, onChange = () => {}) {
  const boxes = stages.map(({ stage, label }) => {
    const box = h('input', { type: 'checkbox', value: stage, onchange: onChange });
    box.checked = chosen.includes(stage);
    return {
      stage,
      box,
      element: h('label', { class: 'stage-choice' }, box, h('span', {}, icon('check'), label)),
    };
  });
  const element = h(
    'fieldset',
    { class: 'stages' },
    h('legend', {}, legend),
    boxes.map(({ element }) => element),
  );
  return {
    element,
    value: () => boxes.filter(({ box }) => box.checked).map(({ stage }) => stage),
    /** @param {readonly StageName[]} chosen */
    setValue: (chosen) =>
      boxes.forEach(({ stage, box }) => {
        box.checked = chosen.includes(stage);
      }),
  };
}

/**
 * A row of a list of results that has no result.
 *
 * @param {string} label
 * @param {Child} state
 */
export function emptyRow(label, state) {
  return h('div', { class: 'test-row' }, h('strong', {}, label), h('span', { class: 'muted small' }, state));
}

/**
 * A row of a list of results, which can be opened.
 *
 * @param {{label: string, word: string, tone: string, note: string, open?: boolean}} row word and tone are those of its chip
 * @param {Child[]} content
 */
export function resultRow({ label, word, tone, note, open = false }, ...content) {
  return h(
    'details',
    { open },
    h(
      'summary',
      { class: 'test-row' },
      h('strong', {}, label),
      h('span', { class: `chip status ${tone}`.trim() }, word),
      h('span', { class: 'muted small' }, note),
      icon('chevron'),
    ),
    h('div', { class: 'result' }, content),
  );
}
