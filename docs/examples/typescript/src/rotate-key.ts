// Replaces a key in all providers that use it, for example because it leaked:
//
//   OLD_KEY=… NEW_KEY=… node dist/rotate-key.js
//
// The new key is checked at the provider's service before it replaces the old one. Then
// the enabled models are tested with it. The token needs the role admin.

import { api, env, explain, ok, printTable } from './service.js';

const [oldKey, newKey] = [env('OLD_KEY'), env('NEW_KEY')];

/** Replaces a credential of a provider, and returns what became of it. */
async function rotate(id: string, field: string): Promise<{ result: string; detail: string; good?: boolean }> {
  const params = { path: { id } };
  let result = 'failed';
  try {
    const { credentials: old } = ok(await api.GET('/providers/{id}', { params }));
    // Headers are edited as a whole list, in which what was answered keeps the value.
    const header = /^headers\.(.+)/.exec(field)?.[1];
    const credentials = header ? { headers: { ...old.headers, [header]: newKey } } : { [field]: newKey };
    const check = ok(await api.POST('/providers/{id}/check', { params, body: { credentials } }));
    if (check.error) {
      return { result: 'kept', detail: `the new key: ${check.error.message}` };
    }
    ok(await api.PATCH('/providers/{id}', { params, body: { credentials } }));
    result = 'replaced';
    const body = { prompt: 'Say hello.', max_output_tokens: 64 };
    const { summary } = ok(await api.POST('/providers/{id}/test-models', { params, body }));
    const bad = summary.failed + summary.skipped;
    return { result, detail: `${summary.succeeded} of ${summary.succeeded + bad} models answer`, good: bad === 0 };
  } catch (error) {
    return { result, detail: explain(error) };
  }
}

const found = ok(await api.POST('/credentials/lookup', { body: { value: oldKey } }));
if (found.data.length === 0) {
  console.error('no provider has the old key');
}
if (found.truncated) {
  console.error('there are more providers than a lookup lists; run the command again');
  process.exitCode = 1;
}
const table = [['PROVIDER', 'FIELD', 'RESULT', 'DETAIL']];
for (const holder of found.data) {
  const { result, detail, good } = await rotate(holder.provider_id, holder.field);
  table.push([holder.provider_name, holder.field, result, detail]);
  if (!good) {
    process.exitCode = 1;
  }
}
printTable(table);
