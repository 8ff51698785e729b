// Building blocks of the page: elements, icons, and waiting.

/** @import { Child } from './types' */

/**
 * Makes an element. A property that is a function is a listener (`onclick`), and
 * every other is an attribute; null and false leave it out.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), value);
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  append(element, children);
  return element;
}

/**
 * @param {Element} parent
 * @param {readonly Child[]} children
 */
function append(parent, children) {
  for (const child of children) {
    if (child instanceof Node || typeof child === 'string') {
      parent.append(child);
    } else if (child) {
      append(parent, child);
    }
  }
}

/**
 * Replaces what an element contains.
 *
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

const svg = 'http://www.w3.org/2000/svg';

/**
 * Makes an icon of icons.svg. It is decoration: the text next to it, or the label
 * of its button, says the same.
 *
 * @param {string} name
 * @param {string} [className]
 */
export function icon(name, className = '') {
  const element = document.createElementNS(svg, 'svg');
  element.setAttribute('class', `icon ${className}`.trim());
  element.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(svg, 'use');
  use.setAttribute('href', `icons.svg#${name}`);
  element.append(use);
  return element;
}

/**
 * Makes a button that shows only an icon.
 *
 * @param {string} name of the icon
 * @param {string} label
 * @param {Record<string, any>} properties
 */
export function iconButton(name, label, properties) {
  const { class: className = '', ...rest } = properties;
  return h(
    'button',
    { type: 'button', class: `icon-button ${className}`.trim(), 'aria-label': label, title: label, ...rest },
    icon(name),
  );
}

/**
 * Disables a button and shows that it works, until the task ends. Then the button
 * has the focus again, which a disabled one loses.
 *
 * @template T
 * @param {HTMLButtonElement} button
 * @param {() => Promise<T>} task
 */
export async function whileBusy(button, task) {
  const focused = document.activeElement === button;
  button.disabled = true;
  button.classList.add('busy');
  try {
    return await task();
  } finally {
    button.disabled = false;
    button.classList.remove('busy');
    if (focused && document.activeElement === document.body) {
      button.focus();
    }
  }
}

let made = 0;

/**
 * Makes an id that no other element has.
 *
 * @param {string} prefix
 */
export function uniqueID(prefix) {
  made += 1;
  return `${prefix}-${made}`;
}
