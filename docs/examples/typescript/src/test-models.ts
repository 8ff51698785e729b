// Tests every model that is enabled, of enabled providers, and prints the results as a
// table.

import { type Schemas } from 'modelproviders-client';
import { api, explain, ok, pages, printTable } from './service.js';

async function test(model: Schemas['Model']): Promise<string[]> {
  const name = [model.provider_name, model.model_id];
  try {
    const body = { prompt: 'Say hello.', max_output_tokens: 64 };
    const result = ok(await api.POST('/models/{id}/test', { params: { path: { id: model.id } }, body }));
    const detail = result.error ? `${result.error.kind}: ${result.error.message}` : '';
    return [...name, result.status, String(result.latency_ms), detail];
  } catch (error) { // the service refused to test, for example because of a limit
    return [...name, 'refused', '-', explain(error)];
  }
}

const models: Schemas['Model'][] = [];
for await (const model of pages((at) => api.GET('/models', { params: { query: { available: true, ...at } } }))) {
  models.push(model);
}

// Four workers take the next model until there is none.
const rows: string[][] = [];
const next = models.entries();
const worker = async () => {
  for (const [i, model] of next) {
    rows[i] = await test(model);
  }
};
await Promise.all([worker(), worker(), worker(), worker()]);

printTable([['PROVIDER', 'MODEL', 'RESULT', 'MS', 'DETAIL'], ...rows]);
if (rows.some(([, , status]) => status !== 'success')) {
  process.exitCode = 1;
}
