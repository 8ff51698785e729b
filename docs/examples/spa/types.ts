// Names for the types of openapi.yaml that the console uses. `npm run types`
// writes schema.d.ts.
import type { components, operations } from './schema';

type Schemas = components['schemas'];

export type AvailableModel = Schemas['AvailableModel'];
export type AvailableModels = Schemas['AvailableModels'];
export type AuthMethod = Schemas['AuthMethod'];
export type CheckResult = Schemas['CheckResult'];
export type Config = Schemas['ConsoleConfig'];
export type CredentialState = Schemas['CredentialState'];
export type FailureKind = Schemas['FailureKind'];
export type FormField = Schemas['FormField'];
export type Me = Schemas['Me'];
export type Model = Schemas['ModelOfProvider'];
export type ModelTestResult = Schemas['ModelTestResult'];
export type ModelsTestSummary = Schemas['ModelsTestSummary'];
export type Problem = Schemas['Problem'];
export type Provider = Schemas['Provider'];
/** A list with the models of each provider, which `view=summary` would leave out. */
export type ProviderList = Omit<Schemas['ProviderList'], 'data'> & { data: Provider[] };
export type ProviderStatus = Schemas['ProviderStatus'];
export type ProviderType = Schemas['ProviderType'];
export type ProviderTypeList = Schemas['ProviderTypeList'];
export type ReferenceInUse = Schemas['ReferenceInUse'];
export type Scope = Schemas['Scope'];
export type Stage = Schemas['Stage'];
export type StageList = Schemas['StageList'];
export type StageResult = Schemas['StageResult'];
export type StageName = Schemas['StageName'];
export type TestResult = Schemas['TestResult'];
export type Verification = Schemas['Verification'];
export type ListProviders = NonNullable<operations['listProviders']['parameters']['query']>;

/** What an element may contain; null and false are left out. */
export type Child = Node | string | null | undefined | false | readonly Child[];

/** Settings of a provider that are not saved yet. */
export interface Draft {
  credentials: Record<string, unknown>;
  config: Record<string, string>;
}

/** An event of a streamed test of several models. */
export type ModelsTestEvent =
  { event: 'result'; data: ModelTestResult } | { event: 'summary'; data: ModelsTestSummary };

/** An event of the streamed checks of a model's stages. */
export type VerifyEvent = { event: 'check'; data: StageResult } | { event: 'result'; data: Verification };

/** An event of a streamed test. */
export type TestEvent = { event: 'delta'; data: { text: string } } | { event: 'result'; data: TestResult };

/** What every screen needs. */
export interface Context {
  api: import('./api.js').API;
  types: ProviderType[];
  stages: Stage[];
  may: (scope: Scope) => boolean;
}
