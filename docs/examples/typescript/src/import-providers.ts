// Creates a provider for each row of a CSV file:
//
//   node dist/import-providers.js providers.csv
//
// The first row names the columns: name, type, models and stages (both separated by
// spaces), credentials.FIELD and config.FIELD. A provider whose name is taken is left as
// it is, so that the program can be repeated.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';
import { ProblemError, type Schemas } from 'modelproviders-client';
import { api, explain, ok, printTable } from './service.js';

function provider(row: Record<string, string>): Schemas['ProviderCreate'] {
  const group = (prefix: string) =>
    Object.fromEntries(
      Object.entries(row)
        .filter(([column, value]) => column.startsWith(prefix) && value)
        .map(([column, value]) => [column.slice(prefix.length), value]),
    );
  const words = (column: string) => (row[column] ?? '').split(' ').filter(Boolean);
  const stages = words('stages') as Schemas['StageName'][];
  return {
    name: row.name,
    type: row.type,
    credentials: group('credentials.'),
    config: group('config.'),
    models: words('models').map((model_id) => ({ model_id, supported_stages: stages.length ? stages : ['planning'] })),
  } as Schemas['ProviderCreate']; // the service validates it
}

const file = process.argv[2];
if (!file) {
  console.error('usage: import-providers FILE.csv');
  process.exit(2);
}
const rows: Record<string, string>[] = parse(readFileSync(file), { columns: true, bom: true, skip_empty_lines: true });
const table = [['NAME', 'TYPE', 'RESULT', 'DETAIL']];
for (const body of rows.map(provider)) {
  let result = 'created';
  let detail = '';
  try {
    // The key makes it safe to repeat the request: it creates at most one provider.
    const header = { 'Idempotency-Key': randomUUID() };
    const created = ok(await api.POST('/providers', { body, params: { header } }));
    detail = `models: ${created.model_count}`;
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === 'name_taken') {
      result = 'exists';
    } else {
      [result, detail] = ['failed', explain(error)];
      process.exitCode = 1;
    }
  }
  table.push([body.name, body.type, result, detail]);
}
printTable(table);
