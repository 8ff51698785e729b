// Drives every flow of the console in Chromium, and takes screenshots. The test in
// browser_test.go starts it with a SETUP.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const setup = JSON.parse(process.env.SETUP ?? '{}');
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
mkdirSync(setup.shots, { recursive: true });

const browser = await chromium.launch({ executablePath: setup.chromium, args: ['--no-sandbox'] });
/** What the browser complained of: breaches of the CSP, exceptions, failed loads. */
const complaints = [];
let taken = 0;

/** Opens a page, with a context of its own. */
async function open(url, options = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    reducedMotion: 'reduce',
    ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    // The browser logs every answer of 4xx and 5xx.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) {
      complaints.push(message.text());
    }
  });
  await page.goto(url);
  await page.getByLabel('API token').waitFor();
  return page;
}

/** Takes a screenshot, and lets axe look for faults. */
async function look(page, name) {
  taken += 1;
  await page.screenshot({ path: `${setup.shots}/${String(taken).padStart(2, '0')}-${name}.png` });
  const faults =
    await page.evaluate(`${axe}; axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
    .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map((node) => node.target + ' ' + node.failureSummary).join(' | ')))`);
  assert.deepEqual(faults, [], `axe: ${name}`);
  const wide = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.ok(wide <= 0, `${name} is ${wide} pixels too wide`);
}

const button = (scope, name) => scope.getByRole('button', { name, exact: true });
const dialog = (page, name) => page.getByRole('dialog', { name });
const card = (page, name) => page.getByRole('article', { name, exact: true });

async function signIn(page, token) {
  await page.getByLabel('API token').fill(token);
  await button(page, 'Sign in with token').click();
}

const flows = {
  async 'signing in with a token'(page) {
    await look(page, 'sign-in');
    await signIn(page, 'mp_nonsense');
    await page.getByText('The bearer token is not valid').waitFor();
    await look(page, 'sign-in-refused');
    await signIn(page, setup.token);
    await page.getByRole('heading', { name: 'No providers yet' }).waitFor();
    await look(page, 'empty');
  },

  async 'adding a provider'(page) {
    await button(page.getByRole('banner').or(page.locator('.page-head')), 'Add Provider')
      .first()
      .click();
    const form = dialog(page, 'Add provider');
    await look(page, 'add-types');
    await form.getByRole('radio', { name: /^OpenAI/ }).check();
    await look(page, 'add-fields');
    await button(form, 'Add provider').click();
    await form.getByText('API Key is required').waitFor();
    assert.equal(await form.getByLabel('Name', { exact: true }).getAttribute('aria-invalid'), 'true');
    await look(page, 'add-field-errors');

    await form.getByLabel('Name', { exact: true }).fill('Production OpenAI');
    await form.getByLabel('API Key', { exact: true }).fill('sk-not-a-key');
    await button(form, 'Test connection').click();
    await form.getByText('The provider rejected the credentials').waitFor();
    await look(page, 'add-connection-failed');
    await form.getByLabel('API Key', { exact: true }).fill(setup.openai_key);
    await button(form, 'Test connection').click();
    await form.locator('.notice.success').waitFor();
    await look(page, 'add-connection-proven');
    await button(form, 'Show API Key').click();
    await button(form, 'Hide API Key').click();

    // Cancelling the list of models removes nothing that was entered.
    await button(form, 'Add model').click();
    await form.getByLabel('Display name').fill('Entered before the id');
    await button(form, 'Browse available').click();
    const list = dialog(page, 'Available models');
    await list.getByText('40 models, 0 selected').waitFor();
    await button(list, 'Cancel').click();
    await list.waitFor({ state: 'detached' });
    await form.getByRole('group', { name: 'Entered before the id' }).waitFor();
    await button(form, 'Remove this model').click();

    await button(form, 'Browse available').click();
    await list.getByText('40 models, 0 selected').waitFor();
    await look(page, 'discovery');
    await list.getByLabel('Search models').fill('gpt-4');
    await list.getByLabel('gpt-4-turbo', { exact: true }).check();
    await list.getByLabel('gpt-4o', { exact: true }).check();
    await list.getByRole('group').getByLabel('Tool call').check({ force: true });
    await look(page, 'discovery-chosen');
    await button(list, 'Add 2 models').click();

    await form.getByRole('group', { name: 'gpt-4-turbo' }).getByLabel('Display name').fill('GPT-4 Turbo');
    await button(form.getByRole('group', { name: 'GPT-4 Turbo' }), 'Test this model').click();
    const drawer = dialog(page, /^Test /);
    await button(drawer, 'Send Test').click();
    await drawer.getByText('Success').waitFor();
    await look(page, 'draft-tested');
    await page.keyboard.press('Escape');
    await look(page, 'add-complete');
    await button(form, 'Add provider').click();
    await card(page, 'Production OpenAI').waitFor();
    await page.getByText('Production OpenAI was added.').waitFor();
    await look(page, 'one-card');
  },

  async 'testing a model'(page) {
    await button(page, 'Test GPT-4 Turbo').click();
    const drawer = dialog(page, /^Test /);
    await look(page, 'test');
    await page.keyboard.press('Control+Enter');
    await drawer.locator('.streaming').waitFor();
    await look(page, 'test-streaming');
    await drawer.getByText('Success').waitFor();
    await drawer.getByText('Details').click();
    await look(page, 'test-success');
    await page.keyboard.press('Escape');
    await card(page, 'Production OpenAI')
      .getByText(/^[\d.]+ m?s$/)
      .waitFor();

    await button(page, 'Test gpt-4o').click();
    await button(drawer, 'Send Test').click();
    await drawer.getByText('Failed', { exact: true }).waitFor();
    await look(page, 'test-failed');
    await page.keyboard.press('Escape');
  },

  async 'verifying a model'(page) {
    await button(page, 'Verify the stages of GPT-4 Turbo').click();
    const drawer = dialog(page, 'Verify GPT-4 Turbo');
    await drawer.getByText('1 of 2 verified.').waitFor();
    await drawer.getByText('The plan is not the JSON that was asked for').waitFor();
    await hasFocus(button(drawer, 'Verify again'));
    await look(page, 'verify');
    const held = [];
    await page.route('**/verify', (route) => held.push(route));
    await page.keyboard.press('Enter');
    await hasFocus(button(drawer, 'Stop'));
    await page.keyboard.press('Enter');
    await drawer.getByText('Stopped.').waitFor();
    await hasFocus(button(drawer, 'Verify again'));
    await page.unroute('**/verify');
    await page.keyboard.press('Escape');
    const model = card(page, 'Production OpenAI').getByRole('listitem').filter({ hasText: 'GPT-4 Turbo' });
    await model.getByText('Tool call: Verified').waitFor();
    await model.getByText('Planning: Failed').waitFor();
    await hasFocus(button(page, 'Verify the stages of GPT-4 Turbo'));
    await look(page, 'verified');
  },

  async 'adding more'(page) {
    for (const [name, base] of [
      ['Team gateway', setup.custom.base_url],
      ['Mistyped gateway', setup.broken],
    ]) {
      await button(page.locator('.page-head'), 'Add Provider').click();
      const form = dialog(page, 'Add provider');
      await form.getByRole('radio', { name: /^Custom/ }).check();
      await form.getByLabel('Name', { exact: true }).fill(name);
      await form.getByLabel(/^API Key/).fill(setup.custom.api_key);
      await form.getByLabel('Base URL').fill(base);
      await button(form, 'Add model').click();
      await form.getByLabel('Model name').fill(setup.custom.model);
      await button(form, 'Add provider').click();
      await card(page, name).waitFor();
    }
    await button(card(page, 'Mistyped gateway'), `Test ${setup.custom.model}`).click();
    await button(dialog(page, /^Test /), 'Send Test').click();
    await dialog(page, /^Test /)
      .getByText('Failed', { exact: true })
      .waitFor();
    await page.keyboard.press('Escape');
    await card(page, 'Mistyped gateway').getByText('Error', { exact: true }).waitFor();
    await page.getByRole('switch', { name: 'Team gateway is enabled' }).click();
    await card(page, 'Team gateway').getByText('Inactive', { exact: true }).waitFor();
    await look(page, 'three-cards');
    await button(card(page, 'Mistyped gateway'), 'Check again').click();
    const message = page.locator('.toast', {
      hasText: 'Mistyped gateway: There is no API at this address',
    });
    await message.waitFor();
    await hasFocus(button(card(page, 'Mistyped gateway'), 'Check again'));
    await card(page, 'Mistyped gateway')
      .getByText('Last check failed just now: There is no API at this address')
      .waitFor();
    await button(message, 'Dismiss').focus();
    await page.keyboard.press('Enter');
    await hasFocus(button(card(page, 'Mistyped gateway'), 'Check again'));
    await page.getByLabel('Search providers').fill('gateway');
    await card(page, 'Production OpenAI').waitFor({ state: 'detached' });
    await page.getByLabel('Search providers').fill('nothing');
    await page.getByRole('heading', { name: 'No matching providers' }).waitFor();
    await look(page, 'no-match');
    await button(page, 'Show all providers').click();
    await card(page, 'Production OpenAI').waitFor();
  },

  async editing(page) {
    await button(page, 'Edit Production OpenAI').click();
    const form = dialog(page, 'Edit Production OpenAI');
    await look(page, 'edit');
    const key = form.getByLabel('API Key', { exact: true });
    assert.equal(await key.inputValue(), '');
    await button(form, 'Show API Key').click();
    const why = dialog(page, 'Show a stored credential');
    await look(page, 'edit-reveal-reason');
    await why.getByLabel('Reason').fill('To copy it to the new gateway');
    await button(why, 'Show').click();
    await button(form, 'Hide API Key').waitFor();
    assert.equal(await key.inputValue(), setup.openai_key);
    await look(page, 'edit-revealed');
    await button(form, 'Hide API Key').click();
    assert.equal(await key.inputValue(), '');

    await form.getByLabel('Name', { exact: true }).fill('team GATEWAY');
    await button(form, 'Save changes').click();
    await form.locator('.field-error').filter({ hasText: /./ }).first().waitFor();
    await look(page, 'edit-name-taken');
    await form.getByLabel('Name', { exact: true }).fill('OpenAI (EU)');
    await button(form.getByRole('group', { name: 'gpt-4o' }), 'Remove this model').click();
    await button(form, 'Add model').click();
    await form.getByLabel('Model ID').last().fill('gpt-5-mini');
    await page.keyboard.press('Escape');
    await look(page, 'edit-discard');
    await button(page, 'Keep editing').click();

    // Somebody else saves in the meantime.
    const other = await api(page, 'GET', '/providers?q=production');
    await api(page, 'PATCH', `/providers/${other.data[0].id}`, { status: 'inactive' });
    await button(form, 'Save changes').click();
    await form.getByText('This provider was changed while you were editing it.').waitFor();
    await form.getByText('Changed since you opened it: Status.').waitFor();
    assert.equal(await form.getByLabel('Name', { exact: true }).inputValue(), 'OpenAI (EU)');
    assert.equal(
      await form.getByRole('switch', { name: 'Provider is enabled' }).getAttribute('aria-checked'),
      'false',
    );
    await look(page, 'edit-conflict');
    await form.getByRole('switch', { name: 'Provider is enabled' }).click();
    await button(form, 'Save changes').click();
    await card(page, 'OpenAI (EU)').getByText('gpt-5-mini').waitFor();
    await card(page, 'OpenAI (EU)').getByText('Active', { exact: true }).waitFor();
    assert.equal(await card(page, 'OpenAI (EU)').getByText('gpt-4o', { exact: true }).count(), 0);
  },

  async 'a session that ends'(page) {
    await button(page, 'Edit OpenAI (EU)').click();
    const form = dialog(page, 'Edit OpenAI (EU)');
    await form.getByLabel('Name', { exact: true }).fill('OpenAI Europe');
    await page.evaluate(() => sessionStorage.setItem('modelproviders.token', 'mp_expired'));
    await button(form, 'Save changes').click();
    const again = page.getByRole('alertdialog', { name: 'Your session has ended' });
    await again.waitFor();
    await look(page, 'session-ended');
    // The request is not repeated in another workspace.
    await page.route('**/me', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), workspace: 'elsewhere' } });
    });
    await signIn(again, setup.token);
    await again.getByText('you have signed in to elsewhere').waitFor();
    await page.unroute('**/me');
    await signIn(again, setup.token);
    await card(page, 'OpenAI Europe').waitFor();
  },

  async 'a slow network'(page) {
    const released = [];
    await page.route('**/providers', async (route) => {
      if (route.request().method() === 'POST') {
        await new Promise((resolve) => released.push(resolve));
      }
      await route.continue();
    });
    await button(page.locator('.page-head'), 'Add Provider').click();
    const form = dialog(page, 'Add provider');
    await form.getByRole('radio', { name: /^OpenAI/ }).check();
    await form.getByLabel('Name', { exact: true }).fill('Slow');
    await form.getByLabel('API Key', { exact: true }).fill(setup.openai_key);
    await page.keyboard.press('Enter');
    await form.locator('.busy').waitFor();
    // While it is saved, nothing can be entered that would be lost.
    await page.keyboard.type('lost');
    assert.equal(await form.getByLabel('API Key', { exact: true }).inputValue(), setup.openai_key);
    await look(page, 'saving');
    // It is shown even if the dialog was closed before the answer.
    await page.keyboard.press('Escape');
    await button(page, 'Discard').click();
    await form.waitFor({ state: 'detached' });
    released.forEach((release) => release());
    await card(page, 'Slow').waitFor();
    await page.unroute('**/providers');
    await button(page, 'Delete Slow').click();
    await button(page, 'Delete provider').click();
    await card(page, 'Slow').waitFor({ state: 'detached' });
  },

  async 'more providers than a page'(page) {
    const names = Array.from({ length: 60 }, (_, i) => `Account ${String(i).padStart(2, '0')}`);
    for (const name of names) {
      await api(page, 'POST', '/providers', { name, type: 'openai', credentials: { api_key: 'sk-of-many' } });
    }
    await page.reload();
    await button(page, 'Show more providers').focus();
    await page.keyboard.press('Enter');
    await hasFocus(button(page, 'Edit Account 50'));
    await button(page, 'Edit Account 55').click();
    const form = dialog(page, 'Edit Account 55');
    await form.getByLabel('Name', { exact: true }).fill('Account 55 (EU)');
    await button(form, 'Save changes').click();
    await hasFocus(button(page, 'Edit Account 55 (EU)'));

    // A page of an earlier search that arrives late is not shown.
    await page.reload();
    const pages = [];
    await page.route('**/providers?*cursor=*', async (route) => {
      await new Promise((resolve) => pages.push(resolve));
      await route.continue().catch(() => {}); // it was cancelled
    });
    await button(page, 'Show more providers').click();
    await page.getByLabel('Search providers').fill('Account 01');
    await page.getByText('1 provider', { exact: true }).waitFor();
    pages.forEach((release) => release());
    await page.waitForTimeout(500);
    assert.equal(await page.getByRole('article').count(), 1);
    await page.unroute('**/providers?*cursor=*');
    for (const { id } of (await api(page, 'GET', '/providers?q=account&limit=100')).data) {
      await api(page, 'DELETE', `/providers/${id}`);
    }
    await page.reload();
    await card(page, 'OpenAI Europe').waitFor();
  },

  async 'headers and an optional key'(page) {
    const stored = async () => (await api(page, 'GET', '/providers?q=team')).data[0].credentials;
    const edit = async () => {
      await button(page, 'Edit Team gateway').click();
      return dialog(page, 'Edit Team gateway');
    };
    let form = await edit();
    const headers = form.getByRole('group', { name: /^Headers/ });
    const entry = (name) => headers.getByRole('group', { name, exact: true });
    await button(headers, 'Add to Headers').click();
    await hasFocus(entry('New entry').getByLabel('Name'));
    await page.keyboard.type('X-Team');
    await entry('X-Team').getByLabel('Value', { exact: true }).fill('sk-value-of-the-team');
    await button(headers, 'Add to Headers').click();
    await page.keyboard.type('x-team');
    await button(form, 'Save changes').click();
    await entry('x-team').getByText('is there twice').waitFor();
    await entry('x-team').getByLabel('Name').fill('Host');
    await button(form, 'Save changes').click();
    await entry('Host').getByText("can't be set").waitFor();
    await look(page, 'headers-refused');
    await entry('Host').getByLabel('Name').fill('X-Project');
    await button(form, 'Save changes').click();
    await entry('X-Project').getByText('X-Project is required').waitFor();
    await entry('X-Project').getByLabel('Value', { exact: true }).fill('sk-value-of-the-project');
    await button(form, 'Test connection').click();
    await form.locator('.checked .notice').waitFor();
    await button(form, 'Save changes').click();
    await form.waitFor({ state: 'detached' });
    assert.deepEqual(Object.keys((await stored()).headers), ['x-project', 'x-team']);

    // What is stored is kept, shown on request, and removed with its entry.
    form = await edit();
    assert.equal(await entry('x-team').getByLabel('Name').isEditable(), false);
    const value = entry('x-team').getByLabel('Value', { exact: true });
    assert.equal(await value.inputValue(), '');
    await button(entry('x-team'), 'Show Value').click();
    const why = dialog(page, 'Show a stored credential');
    await why.getByLabel('Reason').fill('To compare it');
    await button(why, 'Show').click();
    await button(entry('x-team'), 'Hide Value').click();
    await entry('x-project').getByLabel('Value', { exact: true }).fill('another-value');
    await button(entry('x-team'), 'Remove this entry').click();
    await button(form, 'Remove the stored API Key').click();
    await form.getByText('The stored value is removed when you save.').waitFor();
    await look(page, 'headers');

    // Somebody else adds a header in the meantime.
    const { data } = await api(page, 'GET', '/providers?q=team');
    await api(page, 'PATCH', `/providers/${data[0].id}`, {
      credentials: { headers: { 'x-team': '', 'x-project': '', 'x-other': 'of somebody else' } },
    });
    await button(form, 'Save changes').click();
    await form.getByText('Changed since you opened it: Headers.').waitFor();
    await entry('x-other').waitFor();
    assert.equal(await entry('x-team').count(), 0);
    await button(form, 'Save changes').click();
    await form.waitFor({ state: 'detached' });
    const after = await stored();
    assert.deepEqual(Object.keys(after.headers), ['x-other', 'x-project']);
    assert.equal(after.api_key.set, false);

    form = await edit();
    await form.getByLabel(/^API Key/).fill(setup.custom.api_key);
    await button(entry('x-other'), 'Remove this entry').click();
    await button(entry('x-project'), 'Remove this entry').click();
    await hasFocus(button(headers, 'Add to Headers'));
    await button(form, 'Save changes').click();
    await form.waitFor({ state: 'detached' });
    assert.deepEqual((await stored()).headers, {});
    assert.equal((await stored()).api_key.set, true);
  },

  async 'authentication methods'(page) {
    const [tenant, client] = ['11111111-2222-3333-4444-555555555555', '66666666-7777-8888-9999-000000000000'];
    await button(page.locator('.page-head'), 'Add Provider').click();
    let form = dialog(page, 'Add provider');
    const method = (name) =>
      form.getByRole('group', { name: 'Authentication', exact: true }).getByRole('radio', { name });
    await form.getByRole('radio', { name: /^Azure/ }).check();
    await form.getByLabel('API Key', { exact: true }).waitFor();
    await method('API key').focus();
    await page.keyboard.press('ArrowRight');
    await hasFocus(method('Microsoft Entra ID'));
    assert.equal(await form.getByLabel('API Key', { exact: true }).count(), 0);
    await form.getByLabel('Name', { exact: true }).fill('Azure of the EU');
    await form.getByLabel('Base URL').fill('https://my-resource.openai.azure.com');
    await form.getByLabel('API Version').fill('v1');
    await button(form, 'Add provider').click();
    await form.getByText('Client secret is required').waitFor();
    await form.getByText('Tenant ID is required').waitFor();
    await look(page, 'method-chosen');
    await form.getByLabel('Tenant ID').fill(tenant);
    await button(form, 'Add provider').click();
    await form.getByText('Client ID is required').waitFor();
    await form.getByLabel('Client ID').fill(client);
    await form.getByLabel('Client secret', { exact: true }).fill('secret-of-the-application');
    await button(form, 'Add provider').click();
    await card(page, 'Azure of the EU').waitFor();

    // Another method replaces what is stored for the first.
    await button(page, 'Edit Azure of the EU').click();
    form = dialog(page, 'Edit Azure of the EU');
    assert.equal(await method('Microsoft Entra ID').isChecked(), true);
    assert.equal(await form.getByLabel('Tenant ID').inputValue(), tenant);
    await method('API key').check({ force: true });
    await button(form, 'Save changes').click();
    await form.getByText('API Key is required').waitFor();
    await form.getByLabel('API Key', { exact: true }).fill('key-of-the-resource');
    // Somebody else saves in the meantime; the choice is kept.
    const { data } = await api(page, 'GET', '/providers?q=azure');
    await api(page, 'PATCH', `/providers/${data[0].id}`, { config: { api_version: '2024-10-21' } });
    await button(form, 'Save changes').click();
    await form.getByText('Changed since you opened it: API Version.').waitFor();
    assert.equal(await method('API key').isChecked(), true);
    assert.equal(await form.getByLabel('API Key', { exact: true }).inputValue(), 'key-of-the-resource');
    await look(page, 'method-changed');
    await button(form, 'Save changes').click();
    await form.waitFor({ state: 'detached' });
    const saved = await api(page, 'GET', `/providers/${data[0].id}`);
    assert.equal(saved.credentials.api_key.set, true);
    assert.equal(saved.credentials.client_secret.set, false);
    assert.deepEqual(Object.keys(saved.config).sort(), ['api_version', 'base_url']);
    await api(page, 'DELETE', `/providers/${data[0].id}`);
    await page.reload();
    await card(page, 'Team gateway').waitFor();
  },

  async cloning(page) {
    await button(page, 'Clone OpenAI Europe').click();
    const form = dialog(page, 'Clone OpenAI Europe');
    const name = form.getByLabel('Name', { exact: true });
    assert.equal(await name.inputValue(), 'Copy of OpenAI Europe');
    await name.fill('team gateway');
    await button(form, 'Clone provider').click();
    await form.getByText('A provider named "team gateway" already exists').waitFor();
    await hasFocus(name);
    await look(page, 'clone-name-taken');
    await name.fill('Staging');
    await page.keyboard.press('Enter');
    await card(page, 'Staging').getByText('Inactive', { exact: true }).waitFor();
    await page.getByText('Staging was added. Enable it to use its models.').waitFor();
    await card(page, 'Staging').getByText('gpt-5-mini', { exact: true }).waitFor();
    await button(card(page, 'Staging'), 'Test GPT-4 Turbo').click();
    await button(dialog(page, /^Test /), 'Send Test').click();
    await dialog(page, /^Test /)
      .getByText('Success')
      .waitFor();
    await page.keyboard.press('Escape');
    await button(page, 'Delete Staging').click();
    await button(page, 'Delete provider').click();
    await card(page, 'Staging').waitFor({ state: 'detached' });
  },

  async 'models in use'(page) {
    const { data } = await api(page, 'GET', '/providers?q=europe');
    const model = data[0].models.find(({ display_name: name }) => name === 'GPT-4 Turbo');
    const rule = { label: 'Rule: EU support', url: 'https://routing.example.com/rules/7' };
    await api(page, 'PUT', `/models/${model.id}/references/rule-7`, rule);
    await api(page, 'PUT', `/models/${model.id}/references/report`, { label: 'Nightly report' });

    const power = page.getByRole('switch', { name: 'OpenAI Europe is enabled' });
    const question = page.getByRole('alertdialog', { name: 'OpenAI Europe is in use' });
    await power.focus();
    await page.keyboard.press('Space');
    const link = question.getByRole('link', { name: `${rule.label} (opens in a new tab)`, exact: true });
    assert.equal(await link.getAttribute('href'), rule.url);
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer');
    const read = await question.getAttribute('aria-describedby');
    await page.locator(`[id="${read}"]`).getByText('Nightly report').waitFor();
    await hasFocus(button(question, 'Cancel'));
    await look(page, 'in-use');
    await page.keyboard.press('Escape');
    await hasFocus(power);
    assert.equal(await power.getAttribute('aria-checked'), 'true');

    await button(page, 'Edit OpenAI Europe').click();
    const form = dialog(page, 'Edit OpenAI Europe');
    await button(form.getByRole('group', { name: 'GPT-4 Turbo' }), 'Remove this model').click();
    await button(form, 'Save changes').click();
    await question.getByText('Nightly report').waitFor();
    await button(question, 'Cancel').click();
    await hasFocus(button(form, 'Save changes'));
    await page.keyboard.press('Escape');
    await button(page, 'Discard').click();
    await form.waitFor({ state: 'detached' });

    await power.click();
    await button(question, 'Switch off anyway').click();
    await card(page, 'OpenAI Europe').getByText('Inactive', { exact: true }).waitFor();
    await power.click();
    await card(page, 'OpenAI Europe').getByText('Active', { exact: true }).waitFor();
    for (const ref of ['rule-7', 'report']) {
      await api(page, 'DELETE', `/models/${model.id}/references/${ref}`);
    }

    // A forced delete, and a reference without a page of its own.
    const used = await api(page, 'POST', '/providers', {
      name: 'Used',
      type: 'openai',
      credentials: { api_key: 'sk-used' },
      models: [{ model_id: 'gpt-used', supported_stages: ['planning'] }],
    });
    await api(page, 'PUT', `/models/${used.models[0].id}/references/r`, { label: 'A job' });
    await page.reload();
    await button(page, 'Delete Used').click();
    await button(page, 'Delete provider').click();
    const inUse = page.getByRole('alertdialog', { name: 'Used is in use' });
    await inUse.getByText('A job').waitFor();
    assert.equal(await inUse.getByRole('link').count(), 0);
    await button(inUse, 'Cancel').click();
    await card(page, 'Used').waitFor();
    await button(page, 'Delete Used').click();
    await button(page, 'Delete provider').click();
    await button(inUse, 'Delete anyway').click();
    await card(page, 'Used').waitFor({ state: 'detached' });
  },

  async 'the service is away'(page) {
    await page.route('**/providers?*', (route) => route.abort());
    await page.reload();
    await page.getByText('The providers can’t be loaded').waitFor();
    await look(page, 'list-failed');
    await page.unroute('**/providers?*');
    // A proxy answers with its own page.
    await page.route('**/providers?*', (route) =>
      route.fulfill({ contentType: 'text/html', body: '<p>Login' }),
    );
    await button(page, 'Try again').click();
    await page.getByText('is not from the service').waitFor();
    await page.unroute('**/providers?*');
    await page.route('**/providers?*', async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      await route.continue();
    });
    await button(page, 'Try again').click();
    await page.locator('.skeleton').first().waitFor();
    await look(page, 'loading');
    await card(page, 'OpenAI Europe').waitFor();
    await page.unroute('**/providers?*');
  },

  async deleting(page) {
    await button(page, 'Delete Mistyped gateway').click();
    const question = page.getByRole('alertdialog', { name: 'Delete Mistyped gateway?' });
    await look(page, 'delete');
    await button(question, 'Cancel').click();
    await button(page, 'Delete Mistyped gateway').click();
    await button(question, 'Delete provider').click();
    await card(page, 'Mistyped gateway').waitFor({ state: 'detached' });
  },

  async 'single sign-on'(page) {
    await button(page, 'Sign out').click();
    await button(page, 'Sign in with single sign-on').click();
    await page.waitForURL(`${setup.issuer}/**`);
    const asked = new URL(page.url());
    assert.ok(!asked.href.includes('verifier'), asked.href);
    await page.getByLabel('User').fill('alice');
    await button(page, 'Sign in').click();
    await card(page, 'OpenAI Europe').waitFor();
    assert.equal(page.url(), setup.console);
    await onlyTokenStored(page);

    // The session ends while a dialog is open. A window signs in again.
    await button(page, 'Edit OpenAI Europe').click();
    const form = dialog(page, 'Edit OpenAI Europe');
    await form.getByLabel('Name', { exact: true }).fill('OpenAI Frankfurt');
    await page.evaluate(() => sessionStorage.setItem('modelproviders.token', 'mp_expired'));
    await button(form, 'Save changes').click();
    const again = page.getByRole('alertdialog', { name: 'Your session has ended' });
    await look(page, 'session-ended-single-sign-on');
    const opened = page.waitForEvent('popup');
    await button(again, 'Sign in with single sign-on').click();
    const popup = await opened;
    await popup.getByLabel('User').waitFor();
    // The first attempt fails, and the window tells why.
    await popup.goto(`${setup.console}?error=access_denied&state=another`);
    await popup.getByText('This sign-in was not started here').waitFor();
    await button(popup, 'Sign in with single sign-on').click();
    await popup.getByLabel('User').fill('alice');
    await button(popup, 'Sign in').click();
    await card(page, 'OpenAI Frankfurt').waitFor();
    assert.ok(popup.isClosed());
    await button(page, 'Edit OpenAI Frankfurt').click();
    await dialog(page, 'Edit OpenAI Frankfurt').getByLabel('Name', { exact: true }).fill('OpenAI Europe');
    await button(dialog(page, 'Edit OpenAI Frankfurt'), 'Save changes').click();
    await card(page, 'OpenAI Europe').waitFor();

    // An answer to a sign-in that was not started here is refused.
    const stranger = await open(`${setup.console}?code=stolen&state=stolen`);
    await stranger.getByText('This sign-in was not started here').waitFor();
    assert.equal(stranger.url(), setup.console);
    await look(stranger, 'sign-in-not-started-here');
    // The code leaves the address even if nothing else works.
    await stranger.route('**/config.json', (route) => route.abort());
    await stranger.goto(`${setup.console}?code=stolen&state=stolen`);
    await stranger.getByText('The configuration of this page can’t be loaded').waitFor();
    assert.equal(stranger.url(), setup.console);
    await stranger.unroute('**/config.json');
    // A token that the service refuses is told on the first screen.
    await stranger.route('**/me', (route) =>
      route.fulfill({ status: 401, json: { status: 401, detail: 'The token is for another audience.' } }),
    );
    await stranger.goto(setup.console);
    await button(stranger, 'Sign in with single sign-on').click();
    await stranger.getByLabel('User').fill('alice');
    await button(stranger, 'Sign in').click();
    await stranger.getByText('The token is for another audience.').waitFor();
    await stranger.getByText('Sign in to manage the model providers').waitFor();
    await stranger.unroute('**/me');
    // A window that no page waits for says that it can be closed.
    await stranger.goto('about:blank');
    await stranger.goto(`${setup.console}#sign-in`);
    await stranger.getByLabel('User').fill('alice');
    await button(stranger, 'Sign in').click();
    await stranger.getByText('You can close this window.').waitFor();
    await look(stranger, 'sign-in-window');
    await stranger.context().close();
  },

  async warnings(page) {
    await button(page, 'Test GPT-4 Turbo').click();
    const drawer = dialog(page, /^Test /);
    await drawer.getByText('Options').click();
    await drawer.getByLabel('Max output tokens').fill('1');
    await drawer.getByLabel('Prompt', { exact: true }).fill('Stop at the limit.');
    await button(drawer, 'Send Test').click();
    await drawer.locator('.notice.warning').waitFor();
    await look(page, 'test-warning');
    await drawer.getByLabel('Max output tokens').fill('0');
    await drawer.getByLabel('Prompt', { exact: true }).fill('Take your time.');
    await button(drawer, 'Send Test').click();
    await drawer.getByText('Max output tokens must').waitFor();
    await look(page, 'test-refused');
    await drawer.getByLabel('Max output tokens').fill('');
    await button(drawer, 'Send Test').click();
    await drawer.locator('.streaming').waitFor();
    await button(drawer, 'Stop').click();
    await drawer.getByText('Stopped.').waitFor();
    await look(page, 'test-stopped');
    await page.keyboard.press('Escape');
  },

  async 'testing all models'(page) {
    await button(page, 'Test all models of OpenAI Europe').click();
    const drawer = dialog(page, 'Test 2 models');
    await look(page, 'test-all');
    await button(drawer, 'Test All').click();
    await drawer.getByText('1 succeeded, 1 failed.').waitFor();
    await drawer.getByText('GPT-4 Turbo').click();
    await drawer.getByText('gpt-5-mini', { exact: true }).click();
    await look(page, 'test-all-done');
    await page.keyboard.press('Escape');
    await card(page, 'OpenAI Europe').getByText('model not found').waitFor();
  },

  async 'another type'(page) {
    await button(page.locator('.page-head'), 'Add Provider').click();
    const form = dialog(page, 'Add provider');
    await form.getByRole('radio', { name: /^OpenAI/ }).check();
    await form.getByLabel('Name', { exact: true }).fill('Kept');
    await form.getByLabel('API Key', { exact: true }).fill('sk-of-openai');
    await button(form, 'Add model').click();
    await form.getByLabel('Model ID').fill('kept-too');
    await form.getByRole('radio', { name: /^Anthropic/ }).check();
    assert.equal(await form.getByLabel('API Key', { exact: true }).inputValue(), '');
    assert.equal(await form.getByLabel('Name', { exact: true }).inputValue(), 'Kept');
    assert.equal(await form.getByLabel('Model ID').inputValue(), 'kept-too');
    await form.getByRole('radio', { name: /^OpenAI/ }).check();
    assert.equal(await form.getByLabel('API Key', { exact: true }).inputValue(), 'sk-of-openai');
    await page.keyboard.press('Escape');
    await button(page, 'Discard').click();
  },

  async 'the keyboard alone'(page) {
    await page.locator('.page-head .add').focus();
    await page.keyboard.press('Enter');
    const form = dialog(page, 'Add provider');
    await page.keyboard.press('Space');
    for (let i = 0; i < 4; i += 1) {
      await page.keyboard.press('ArrowRight');
    }
    await form.getByLabel('Service Account JSON', { exact: false }).first().waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.type('Vertex by keyboard');
    await look(page, 'keyboard');
    await form.getByLabel('Service Account JSON', { exact: true }).fill('{"type":"service_account"}');
    await page.keyboard.press('Escape');
    await button(page, 'Discard').focus();
    await page.keyboard.press('Enter');
    await form.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'Add Provider');
    await page.getByRole('switch', { name: 'Team gateway is enabled' }).focus();
    await page.keyboard.press('Space');
    await card(page, 'Team gateway').getByText('Active', { exact: true }).waitFor();
    assert.equal(
      await page.evaluate(() => document.activeElement?.getAttribute('aria-label')),
      'Team gateway is enabled',
    );
    await page.keyboard.press('Space');
    await card(page, 'Team gateway').getByText('Inactive', { exact: true }).waitFor();
  },

  async 'many models, and long names'(page) {
    const [provider] = (await api(page, 'GET', '/providers?q=team')).data;
    const models = Array.from({ length: 12 }, (_, i) => ({
      model_id: `accounts/a-rather-long-account-name/models/llama-v3p1-405b-instruct-${i}`,
      display_name: i % 2 ? `Llama 3.1 405B Instruct with a name that goes on and on ${i}` : undefined,
      supported_stages: ['planning', 'tool_call', 'summarization', 'guardrail'].slice(0, 1 + (i % 4)),
      enabled: i % 3 !== 0,
    }));
    await api(page, 'PATCH', `/providers/${provider.id}`, {
      name: 'The gateway of a team whose name is longer than anybody expected it to be',
      models,
    });
    await page.reload();
    await page.getByText('more models').first().click();
    await look(page, 'many-models');
    await page.setViewportSize({ width: 360, height: 740 });
    await look(page, 'many-models-narrow');
    await button(
      page,
      'Edit The gateway of a team whose name is longer than anybody expected it to be',
    ).click();
    await dialog(page, /^Edit/).locator('.model-row').nth(1).scrollIntoViewIfNeeded();
    await look(page, 'many-models-edit-narrow');
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 1280, height: 900 });
    await api(page, 'PATCH', `/providers/${provider.id}`, { name: 'Team gateway' });
  },

  async 'a viewer, and somebody without a role'(page) {
    for (const [name, body] of [
      ['viewer', { role: 'viewer' }],
      ['no-access', { scopes: ['audit:read'] }],
    ]) {
      const { token } = await api(page, 'POST', '/tokens', { name, ...body });
      const other = await open(setup.console);
      await signIn(other, token);
      await other.getByRole('heading', { name: name === 'viewer' ? 'OpenAI Europe' : 'No access' }).waitFor();
      assert.equal(await other.getByRole('button', { name: /^(Add|Edit|Clone|Delete|Test) / }).count(), 0);
      await look(other, name);
      await other.context().close();
    }
  },

  async 'storage and addresses'(page) {
    await onlyTokenStored(page);
    assert.equal(page.url(), setup.console);
  },
};

/** Only the token is stored. */
async function onlyTokenStored(page) {
  const stored = await page.evaluate(() => [
    Object.keys(sessionStorage),
    Object.keys(localStorage),
    document.cookie,
  ]);
  assert.deepEqual(stored, [['modelproviders.token'], [], '']);
}

/** Waits until an element has the focus. */
async function hasFocus(locator) {
  await locator.and(locator.page().locator(':focus')).waitFor();
}

/** A call past the page, as somebody else's. */
function api(page, method, path, body) {
  return page.evaluate(
    async ([address, token, method, path, body]) => {
      const response = await fetch(address + path, {
        method,
        body: body && JSON.stringify(body),
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      });
      return response.status === 204 ? null : response.json();
    },
    [setup.console.replace(/\/console\/$/, ''), setup.token, method, path, body],
  );
}

/** The same screens, dark, narrow, and from another origin. */
async function looks(name, url, options) {
  const page = await open(url, options);
  await look(page, `${name}-sign-in`);
  await signIn(page, setup.token);
  await card(page, 'OpenAI Europe').waitFor();
  await look(page, `${name}-cards`);
  await button(page, 'Edit OpenAI Europe').click();
  await dialog(page, 'Edit OpenAI Europe').waitFor();
  await look(page, `${name}-edit`);
  await button(dialog(page, 'Edit OpenAI Europe'), 'Browse available').click();
  await dialog(page, 'Available models').getByText('40 models').waitFor();
  await look(page, `${name}-discovery`);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  await button(page.locator('.page-head'), 'Add Provider').click();
  await dialog(page, 'Add provider').getByRole('radio', { name: /^AWS/ }).check();
  await look(page, `${name}-add`);
  await dialog(page, 'Add provider').getByLabel('Region').scrollIntoViewIfNeeded();
  await look(page, `${name}-add-fields`);
  await page.keyboard.press('Escape');
  await button(page, 'Test GPT-4 Turbo').click();
  await button(dialog(page, /^Test /), 'Send Test').click();
  await dialog(page, /^Test /)
    .getByText('Success')
    .waitFor();
  await look(page, `${name}-test`);
  await page.keyboard.press('Escape');
  await page.context().close();
}

let failed = 0;
async function run(name, flow) {
  try {
    await flow();
    console.log(`ok ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${name}\n${error.stack}`);
  }
}

const page = await open(setup.console);
for (const [name, flow] of Object.entries(flows)) {
  await run(name, () => flow(page));
  if (failed) {
    await page.screenshot({ path: `${setup.shots}/failed.png` });
    break;
  }
}
if (!failed) {
  await run('dark', () => looks('dark', setup.console, { colorScheme: 'dark' }));
  await run('narrow', () => looks('narrow', setup.console, { viewport: { width: 360, height: 740 } }));
  await run('narrow and dark', () =>
    looks('narrow-dark', setup.console, { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }),
  );
  await run('from another origin', () => looks('elsewhere', setup.elsewhere, {}));
}
await browser.close();
await run('the browser complains of nothing', async () => assert.deepEqual(complaints, []));
process.exit(failed ? 1 : 0);
