// The screen: the list of providers, and what can be done with each.

import { APIError, randomKey } from './api.js';
import { makeCard } from './card.js';
import { ask, confirm } from './dialog.js';
import { fill, h, icon, uniqueID, whileBusy } from './dom.js';
import { count } from './format.js';
import { unlessInUse } from './in-use.js';
import { kindLabel, toast } from './notice.js';
import { openProviderDialog } from './provider-dialog.js';
import { openTestAllDrawer } from './test-all-drawer.js';
import { openTestDrawer } from './test-drawer.js';
import { openVerifyDrawer } from './verify-drawer.js';

/**
 * @import { Context, ListProviders, Model, Provider, ProviderStatus } from './types'
 * @import { Actions } from './card.js'
 */

/** How many providers one request lists. */
const pageSize = 50;

/** How long the search waits for the next key, in milliseconds. */
const pause = 250;

export class ProvidersScreen {
  /** @param {Context} context */
  constructor(context) {
    this.context = context;
    /** @type {Provider[]} */
    this.providers = [];
    /** @type {string | null} */
    this.next = null;
    this.total = 0;
    this.request = new AbortController();
    this.actions = this.makeActions();
    let timer = 0;
    this.search = h('input', {
      id: uniqueID('search'),
      class: 'input',
      type: 'search',
      placeholder: 'Search providers',
      autocomplete: 'off',
      spellcheck: 'false',
      oninput: () => {
        clearTimeout(timer);
        timer = setTimeout(() => this.load(), pause);
      },
    });
    this.status = h(
      'select',
      { class: 'input', 'aria-label': 'Status', onchange: () => this.load() },
      h('option', { value: '' }, 'All statuses'),
      h('option', { value: 'active' }, 'Active'),
      h('option', { value: 'inactive' }, 'Inactive'),
      h('option', { value: 'error' }, 'Error'),
    );
    this.summary = h('p', { class: 'muted small', role: 'status' });
    this.toolbar = h(
      'div',
      { class: 'toolbar', role: 'search', hidden: true },
      h(
        'label',
        { class: 'search', for: this.search.id },
        icon('search'),
        h('span', { class: 'visually-hidden' }, 'Search providers'),
        this.search,
      ),
      h('div', { class: 'select' }, this.status, icon('chevron')),
      this.summary,
    );
    this.list = h('div', { class: 'list' });
    this.element = h('main', { id: 'main' }, this.head(), this.toolbar, this.list);
  }

  /** @returns {Actions} what the buttons of a card do */
  makeActions() {
    return {
      edit: (provider, button) => this.edit(provider, button),
      clone: (provider) => this.clone(provider),
      remove: (provider) => this.remove(provider),
      power: (provider, button) => this.power(provider, button),
      check: (provider, button) => this.check(provider, button),
      test: (provider, model) => this.test(provider, model),
      testAll: (provider) => this.testAll(provider),
      verify: (provider, model) => this.verify(provider, model),
    };
  }

  head() {
    const about = 'Connect your own accounts, and choose which models each stage can use.';
    return h(
      'header',
      { class: 'page-head' },
      h(
        'div',
        {},
        h('h1', {}, 'Model Providers', h('span', { class: 'badge' }, 'Beta')),
        h('p', { class: 'muted' }, about),
      ),
      this.context.may('providers:write') ? this.addButton() : null,
    );
  }

  addButton() {
    return h(
      'button',
      { type: 'button', class: 'button primary add', onclick: () => this.add() },
      icon('plus'),
      'Add Provider',
    );
  }

  /** @returns {ListProviders} */
  filter() {
    return {
      q: this.search.value.trim() || undefined,
      status: /** @type {ProviderStatus} */ (this.status.value) || undefined,
    };
  }

  filtered() {
    return Object.values(this.filter()).some((value) => value !== undefined);
  }

  /** Loads the first page of the list. */
  async load() {
    this.request.abort();
    this.request = new AbortController();
    const { signal } = this.request;
    this.list.setAttribute('aria-busy', 'true');
    if (this.providers.length === 0) {
      fill(this.list, skeleton());
    }
    try {
      const page = await this.context.api.listProviders(
        { ...this.filter(), limit: pageSize, count: true },
        signal,
      );
      this.providers = page.data;
      this.next = page.next_cursor;
      this.total = page.total ?? page.data.length;
      this.draw();
    } catch (error) {
      if (signal.aborted) {
        return;
      }
      this.providers = [];
      this.toolbar.hidden = true;
      fill(this.list, this.failed(/** @type {Error} */ (error)));
    }
    this.list.removeAttribute('aria-busy');
  }

  /** @param {HTMLButtonElement} button */
  async loadMore(button) {
    const { signal } = this.request;
    await whileBusy(button, async () => {
      try {
        const page = await this.context.api.listProviders(
          { ...this.filter(), limit: pageSize, cursor: this.next ?? undefined },
          signal,
        );
        this.providers.push(...page.data);
        this.next = page.next_cursor;
        this.draw();
        this.focus(page.data[0]?.id);
      } catch (error) {
        if (!signal.aborted) {
          toast('error', /** @type {Error} */ (error).message);
        }
      }
    });
  }

  draw() {
    this.toolbar.hidden = this.providers.length === 0 && !this.filtered();
    this.summary.textContent = count(this.total, 'provider');
    if (this.providers.length === 0) {
      fill(this.list, this.filtered() ? this.noMatch() : this.empty());
      return;
    }
    const more = h(
      'button',
      { type: 'button', class: 'button', onclick: () => this.loadMore(more) },
      'Show more providers',
    );
    fill(
      this.list,
      h(
        'ul',
        { class: 'cards', 'aria-label': 'Providers' },
        this.providers.map((provider) => this.card(provider)),
      ),
      this.next ? h('div', { class: 'more-providers' }, more) : null,
    );
  }

  /** @param {Provider} provider */
  card(provider) {
    return makeCard(this.context, provider, this.actions);
  }

  empty() {
    return h(
      'div',
      { class: 'empty' },
      h('div', { class: 'empty-icon' }, icon('plug')),
      h('h2', {}, 'No providers yet'),
      h(
        'p',
        { class: 'muted' },
        'Connect an account at a model provider. Its credentials are encrypted, and you choose which models are used.',
      ),
      this.context.may('providers:write')
        ? this.addButton()
        : h('p', { class: 'muted' }, 'Ask an editor of this workspace to add one.'),
    );
  }

  /** @param {Error} error */
  failed(error) {
    return h(
      'div',
      { class: 'empty failed', role: 'alert' },
      h('div', { class: 'empty-icon' }, icon('alert')),
      h('h2', {}, 'The providers can’t be loaded'),
      h('p', { class: 'muted' }, error.message),
      h(
        'button',
        { type: 'button', class: 'button', onclick: () => this.load() },
        icon('refresh'),
        'Try again',
      ),
    );
  }

  noMatch() {
    const reset = () => {
      this.search.value = '';
      this.status.value = '';
      this.load();
      this.search.focus();
    };
    return h(
      'div',
      { class: 'empty' },
      h('div', { class: 'empty-icon' }, icon('search')),
      h('h2', {}, 'No matching providers'),
      h('button', { type: 'button', class: 'button', onclick: reset }, 'Show all providers'),
    );
  }

  /**
   * Shows the present state of a provider, and keeps the focus where it is.
   *
   * @param {Provider} provider
   */
  update(provider) {
    this.providers = this.providers.map((old) => (old.id === provider.id ? provider : old));
    const card = this.list.querySelector(`[data-id="${provider.id}"]`);
    const focused = card?.contains(document.activeElement) ? document.activeElement : null;
    const open = card?.querySelector('details')?.open ?? false;
    const fresh = this.card(provider);
    const details = fresh.querySelector('details');
    if (details) {
      details.open = open;
    }
    card?.replaceWith(fresh);
    if (focused) {
      const controls = [
        .../** @type {NodeListOf<HTMLElement>} */ (fresh.querySelectorAll('button, summary')),
      ];
      (controls.find((control) => labelOf(control) === labelOf(focused)) ?? controls[0])?.focus();
    }
  }

  /** @param {string} id */
  async refresh(id) {
    try {
      this.update(await this.context.api.getProvider(id));
    } catch (error) {
      await this.load();
    }
  }

  async add() {
    const saved = await openProviderDialog(this.context, null);
    if (saved) {
      toast('success', `${saved.name} was added.`);
      await this.load();
      this.focus(saved.id);
    }
  }

  /**
   * @param {Provider} provider
   * @param {HTMLButtonElement} button
   */
  async edit(provider, button) {
    let present;
    try {
      present = await whileBusy(button, () => this.context.api.getProvider(provider.id));
    } catch (error) {
      this.report(error);
      return;
    }
    const saved = await openProviderDialog(this.context, present);
    if (saved) {
      toast('success', `${saved.name} was saved.`);
      this.update(saved);
      this.focus(saved.id);
      return;
    }
    await this.refresh(provider.id);
  }

  /** @param {string | undefined} id */
  focus(id) {
    const card = this.list.querySelector(`[data-id="${id}"]`);
    card?.scrollIntoView({ block: 'nearest' });
    /** @type {HTMLElement | null | undefined} */ (card?.querySelector('.icon-button'))?.focus({
      preventScroll: true,
    });
  }

  /** @param {Provider} provider */
  async clone(provider) {
    const attempts = new Map(); // a key for each name, so that a second click makes no second clone
    /** @type {Provider | undefined} */
    let made;
    await ask({
      title: `Clone ${provider.name}`,
      text: 'The clone gets the settings, the credentials and the models of this provider. It is disabled until you enable it.',
      label: 'Name',
      value: `Copy of ${provider.name}`.slice(0, 100),
      limit: 100,
      action: 'Clone provider',
      submit: async (name) => {
        attempts.set(name, attempts.get(name) ?? randomKey());
        made = await this.context.api.cloneProvider(provider.id, name, attempts.get(name));
      },
    });
    if (made) {
      toast('success', `${made.name} was added. Enable it to use its models.`);
      await this.load();
      this.focus(made.id);
    }
  }

  /** @param {Provider} provider */
  async remove(provider) {
    const agreed = await confirm({
      title: `Delete ${provider.name}?`,
      action: 'Delete provider',
      dangerous: true,
      text: `This deletes the provider, its ${count(provider.model_count, 'model')} and its credentials. This can’t be undone.`,
    });
    if (!agreed) {
      return;
    }
    try {
      const deleted = await unlessInUse({
        title: `${provider.name} is in use`,
        action: 'Delete anyway',
        change: async (force) => {
          await this.context.api.deleteProvider(provider.id, provider.version, force);
          return true;
        },
      });
      if (!deleted) {
        return;
      }
    } catch (error) {
      if (error instanceof APIError && error.code === 'version_mismatch') {
        await this.refresh(provider.id);
        toast(
          'warning',
          `${provider.name} was not deleted because it was changed in the meantime. Review it, and delete it again if you still want to.`,
        );
        return;
      }
      this.report(error);
      return;
    }
    toast('success', `${provider.name} was deleted.`);
    await this.load();
    /** @type {HTMLElement | null} */ (this.element.querySelector('.add'))?.focus();
  }

  /**
   * @param {Provider} provider
   * @param {HTMLButtonElement} button
   */
  async power(provider, button) {
    const status = provider.enabled ? 'inactive' : 'active';
    try {
      const saved = await whileBusy(button, () =>
        unlessInUse({
          title: `${provider.name} is in use`,
          action: 'Switch off anyway',
          change: (force) => this.context.api.updateProvider(provider.id, { status }, undefined, force),
        }),
      );
      if (saved) {
        this.update(saved);
      }
    } catch (error) {
      this.report(error);
    }
  }

  /**
   * @param {Provider} provider
   * @param {HTMLButtonElement} button
   */
  async check(provider, button) {
    try {
      const { error } = await whileBusy(button, () =>
        this.context.api.check(`/providers/${provider.id}`, null),
      );
      toast(error ? 'error' : 'success', `${provider.name}: ${error ? kindLabel(error.kind) : 'connected'}`);
    } catch (error) {
      this.report(error);
    }
    await this.refresh(provider.id);
  }

  /**
   * @param {Provider} provider
   * @param {Model} model
   */
  async verify(provider, model) {
    const { api, stages } = this.context;
    await openVerifyDrawer(api, model, stages, `${provider.name} · ${provider.type_label}`);
    await this.refresh(provider.id);
  }

  /**
   * @param {Provider} provider
   * @param {Model} model
   */
  async test(provider, model) {
    await openTestDrawer({
      name: model.display_name,
      about: `${provider.name} · ${provider.type_label}`,
      run: (prompt, signal) => this.context.api.test(`/models/${model.id}`, prompt, signal),
    });
    await this.refresh(provider.id);
  }

  /** @param {Provider} provider */
  async testAll(provider) {
    await openTestAllDrawer(this.context.api, provider);
    await this.refresh(provider.id);
  }

  /** @param {unknown} error */
  report(error) {
    toast('error', error instanceof Error ? error.message : String(error));
    if (error instanceof APIError && error.status === 404) {
      this.load();
    }
  }
}

/** @param {Element} control */
function labelOf(control) {
  return control.getAttribute('aria-label') ?? control.textContent;
}

/** What is shown until the list is there. */
function skeleton() {
  const card = () => h('li', { class: 'card skeleton' }, h('div', {}), h('div', {}), h('div', {}));
  return [
    h('p', { class: 'visually-hidden', role: 'status' }, 'Loading the providers…'),
    h('ul', { class: 'cards', 'aria-hidden': 'true' }, card(), card(), card(), card()),
  ];
}
