package provider

// kindHints are the hints for a kind where neither the row nor the type has one.
var kindHints = map[FailureKind]string{
	Authentication:  "Replace the credentials of this provider.",
	QuotaExceeded:   "Add credit to the provider's account, or raise its spending limit.",
	Permission:      "Give these credentials the permission to use this model.",
	ModelNotFound:   "Check the model ID for a typo, and check that this account has access to it.",
	Misconfigured:   "There is no API at this address. Check its path.",
	Timeout:         "The provider took too long. Try again later.",
	RateLimited:     "Wait a moment and try again, or ask the provider for a higher rate limit.",
	UpstreamError:   "The error is on the provider's side. Try again later, and look at its status page.",
	InvalidRequest:  "The provider refused the request. Its message says why.",
	ContentFiltered: "A content filter refused the prompt. Try another prompt. The provider and the model work.",
}

// Hint returns what a person can do about failures of a kind; "" if nothing is known.
func Hint(kind FailureKind) string { return kindHints[kind] }

const (
	hintTooLong    = "The prompt and max_output_tokens together do not fit the model's context. Shorten the prompt, or lower max_output_tokens."
	hintNoChat     = "Model {model} is not a chat model. Choose a chat model."
	hintUnreadable = "The server could not read what model {model} wrote as a call of the tool, or as JSON. Choose another model for this."
	hintNoTools    = "Model {model} cannot call tools here. Choose another model for tools, or enable tool calling on its server."
	hintDisabled   = "The provider has disabled this account, its organization or its project. Look for the reason in the provider's console, or ask its support."
	hintLocation   = "The provider does not accept calls from the address or the country of this server. Allow this address for the key, or run this service elsewhere."
	hintFirewall   = "A firewall in front of the API refused this server. Ask its operator to allow calls from this server."

	hintAllowModel  = "This key is not allowed to use model {model}. Give the key, or its project, access to the model."
	hintTemperature = "Model {model} does not accept this temperature. Leave temperature out, or choose another value."
	hintHigherLimit = "Model {model} needs a higher output limit. Raise max_output_tokens."
	hintLowerLimit  = "Lower max_output_tokens to what model {model} allows."
)

// commonRules are the errors of servers that speak OpenAI's API, and of gateways of
// every kind. Sources: OpenAI, "Error codes"; the documentation and source
// of LiteLLM, new-api, one-api, vLLM, Ollama and OpenRouter.
var commonRules = []rule{
	// A gateway's own upstream failed, for this model.
	{words: "received model group|available model group fallbacks|litellm.*error: |litellm.*exception - |exceeded budget for model|exceeded their budget for model", scope: ofModel},
	{status: "401 402 403", words: "provider returned error", scope: ofModel}, // OpenRouter's

	// Models and servers that cannot call tools, or write JSON.
	{code: "unsupported_parameter|unknown_parameter|extra_forbidden", param: "tools", kind: InvalidRequest, scope: ofTools, hint: hintNoTools},
	{status: "200 400 404 405 422 5xx", words: "not support tool|n't support tool|n’t support tool|that support tool use|tools*not supported|tool calling*not supported|tool use*not supported|not support function call|function calling*not supported|function calling is not enabled|function calling is unsupported|unsupported param: tools|tools param requires|argument supplied: tools|not support parameters: ['tools'|enable-auto-tool-choice", kind: InvalidRequest, scope: ofTools, hint: hintNoTools},
	{code: "tool_use_failed|json_validate_failed", kind: InvalidRequest, scope: ofTools, hint: hintUnreadable}, // Groq's
	{words: "'failed_generation'|error parsing tool call", kind: InvalidRequest, scope: ofTools, hint: hintUnreadable},

	// Content filters.
	{code: "content_filter|content_policy_violation|responsibleaipolicyviolation|image_content_policy_violation|data_inspection_failed|invalid_prompt|prompt_blocked|sensitive_words_detected|*sensitivecontent*", kind: ContentFiltered},
	{status: "200 400 403 422", words: "litellm.contentpolicyviolationerror|content management policy|content filtering policy|guardrail|violates*content polic|violates*usage polic|violating*usage polic|violates*data polic|violates*safety|input was flagged|prompt was flagged|request was flagged|content was flagged|flagged by|sensitive words|敏感", kind: ContentFiltered},

	// The address, and proxies and firewalls in front of the API.
	{words: "http request to an https server|http request was sent to https port|speaking plain http to an ssl|use https protocol", kind: Misconfigured, hint: "The server requires TLS. Enter an address that begins with https://."},
	{status: "407", kind: Misconfigured, hint: "A proxy between this service and the API requires authentication. Ask the operator of this service to set the proxy's user and password."},
	{status: "401", words: "was an html page*401", kind: Authentication},
	{status: "401", words: "was an html page", kind: Misconfigured, scope: noAPI, hint: "The answer is a sign-in page, not an API. Check the address, and check whether a proxy in front of it requires a sign-in."},
	{words: "error code: 1015", kind: RateLimited},
	{status: "403 503", words: "was an html page*just a moment|was an html page*attention required|was an html page*you have been blocked|was an html page*checking your browser", kind: Permission, scope: ofAccount, hint: hintFirewall},
	{status: "403", words: "was an html page|error code: 1006|error code: 1009|error code: 1010|error code: 1012|error code: 1020|site owner has blocked|your request was blocked.", kind: Permission, scope: ofAccount, hint: hintFirewall},
	{status: "403", words: "missing authentication token", kind: Misconfigured, scope: noAPI},
	{status: "200 400 403 404 405", words: "unexpected endpoint|could not route|no route match|no route found|no route for|route not found|route *not found|no api found|no such path|invalid endpoint|unknown endpoint|no such endpoint|not defined by this api|unable to identify proxy|no static resource|no http resource|cannot post /|invalid url (|404 not found|404 page not found", kind: Misconfigured, scope: noAPI},
	{words: "could not be found on vercel", kind: Misconfigured},
	{words: "404 not_found", kind: Misconfigured, scope: noAPI},
	{code: "incorrect_hostname", kind: Misconfigured, hint: "This key belongs to a regional host, which the message names. Use the type Custom with that address, or ask the operator of this service to set it as the endpoint."},

	// Credit, and rate limits whose messages mention quotas.
	{code: "insufficient_quota|billing_hard_limit_reached|billing_not_active|budget_exceeded|quota_exceeded|insufficient_credits|insufficient_balance|insufficient_user_quota|pre_consume_token_quota_failed|exceeded_current_quota_error|accountoverdueerror|account_overdue|prepaidbilloverdue|quotaexceeded|token_quota_reached|arrearage", kind: QuotaExceeded},
	{status: "429", words: "request too large", kind: RateLimited, hint: "The request is larger than the limit per minute. Shorten the prompt, lower max_output_tokens, or ask for a higher limit."},
	{status: "429", code: "resource_exhausted|rate_limit_exceeded|ratelimitreached|rate_limit_error|too_many_requests|rate_limited", kind: RateLimited},
	{words: "insufficient_quota|exceeded your current quota|insufficient credits|insufficient balance|insufficient account balance|insufficient funds|not have any credits|n't have any credits|credit card|usage limit exceeded|no active subscription|trial has ended|credit balance|balance is insufficient|not enough balance|overdue balance|exceededbudget|budget has been exceeded|out of credits|used all available credits|spending limit|key limit exceeded|out of call volume quota|free tier*exhausted|额度*用尽|额度不足|余额不足|欠费|套餐已到期", kind: QuotaExceeded},
	{status: "400 403", words: "quota exceeded|exceeded*quota|quota*exhausted", kind: QuotaExceeded},

	// Refusals of the account or of one model.
	{words: "missing scopes|sufficient permissions to call|permission is required|use of api key is not enabled|verify your email", kind: Permission, scope: ofAccount, hint: "This key or its account lacks the scopes, permissions or verification that the message names. Add them, or use another key."},
	{code: "account_deactivated", kind: Authentication, hint: hintDisabled},
	{words: "account has been deactivated|account*is deactivated|has been archived", kind: Authentication, hint: hintDisabled},
	{code: "account_suspended|account_disabled|access_terminated|organization_restricted|organization_disabled", kind: Permission, scope: ofAccount, hint: hintDisabled},
	{words: "account has been suspended|account is suspended|account has been disabled|account is not active|flagged for abuse|subscription is disabled|resource has been temporarily blocked", kind: Permission, scope: ofAccount, hint: hintDisabled},
	{words: "organization must be verified|verify organization", kind: Permission, hint: "OpenAI requires a verified organization for this. Verify it in the organization's settings at platform.openai.com, and wait 15 minutes."},
	{words: "no endpoints*data policy", kind: Permission, hint: "The privacy settings of the account exclude every server of this model. Change them, or choose another model."},
	{status: "404", words: "no endpoints found", kind: ModelNotFound, hint: "No server of model {model} accepts this request. The message says why."},
	{code: "model_terms_required|modelnotopen", kind: Permission, hint: "Model {model} is not enabled for this account. Enable it in the provider's console, where its terms may have to be accepted."},
	{code: "unsupported_country_region_territory|ip_not_authorized|invalid_ip", kind: Permission, scope: ofAccount, hint: hintLocation},
	{status: "400 401 403", words: "user location is not supported|not available in your country|not supported in your country|unsupported countries|not whitelisted|check your network settings|rbac: access denied", kind: Permission, scope: ofAccount, hint: hintLocation},
	{status: "403", words: "has not been used in project*or it is disabled", kind: Permission, scope: ofAccount, hint: "Enable the API that the message names in the Google Cloud project, and try again after a few minutes."},
	{status: "403", code: "model_not_found", kind: Permission, hint: hintAllowModel},
	{code: "*_model_access_denied", kind: Permission, hint: hintAllowModel},

	// Models that do not answer chats, or answer only as a stream.
	{status: "200 400 403 404 405 422", words: "not a chat model|not support chat|chatcompletion operation does not work|not allowed to sample|embedding model|embeddings model|use the /embeddings|speech model|audio model|transcription model|moderation model|rerank model|image model|image generation model|realtime model|only supported in the realtime|supported in v1/audio|supported in v1/images|not supported in the v1/chat/completions|modality contain audio|chat template", kind: InvalidRequest, hint: hintNoChat},
	{words: "only support stream|only supports stream|set to false for non-streaming|stream=true|streaming is required|must be streamed|does not support non-stream", kind: InvalidRequest, hint: "Model {model} only answers as a stream. Test it with streaming (Accept: text/event-stream)."},

	// The key.
	{words: "litellm.authenticationerror", kind: Authentication, scope: ofModel, hint: "The gateway accepted this key, but its own key for model {model} was refused. Replace that key in the gateway."},
	{code: "no_db_connection", kind: Authentication, hint: "This gateway has no database of keys, so it accepts only its master key. Enter the master key."},
	{code: "invalid_api_key|invalid_authentication|authentication_error|expired_api_key|expired_key|token_expired|invalid_token", kind: Authentication},
	{status: "200 400 401 403 404 5xx", words: "incorrect api key|invalid api key|invalid api_key|invalid api-key|api key is invalid|api key not valid|api key expired|api key not found|api key has expired|api key required|api key is required|api key was reported as leaked|api key is currently blocked|access token invalid|无效的令牌|密钥无效", kind: Authentication},
	{status: "200 400 401 403 404", words: "not authenticated|could not validate credentials|invalid authentication|invalid access token|invalid api token|login fail|authentication error|authentication fails|authentication failed|认证失败|鉴权失败", kind: Authentication},
	{status: "403", words: "authorization failed*model", kind: Permission},
	{status: "200 400 401 403", words: "authorization failed", kind: Authentication},

	// The request.
	{code: "context_length_exceeded|string_above_max_length|context_window_exceeded", kind: InvalidRequest, hint: hintTooLong},
	{words: "litellm.contextwindowexceedederror", kind: InvalidRequest, hint: hintTooLong},

	// The model.
	{code: "model_not_found|unknown_model|model_decommissioned|model_deprecated|unsupported_model|model_not_exist|model_not_supported|invalid_model|no_such_model|modelnotfound*|modeldeprecated|unavailable_model|model_not_available|deploymentnotfound", kind: ModelNotFound},
	{status: "200 400 404 410", words: "end of life|not found for account|could not find real modelid|unknown model|invalid model name|invalid model id|invalid model:|invalid model '|invalid model \"|invalid model `|invalid model specified|unsupported model|unrecognized model|not a valid model|has been decommissioned|model*has been deprecated|model not exist|模型不存在|no such model|model *does not exist|model *not found", kind: ModelNotFound},
	{status: "5xx", words: "no available channel|无可用渠道|model not found|model does not exist", kind: ModelNotFound},
	{status: "400 404", param: "model", kind: ModelNotFound},

	{code: "rate_limit_exceeded|ratelimitreached|rate_limit_error|too_many_requests|rate_limited", kind: RateLimited},
	{status: "200 400 403 503", words: "rate limit exceeded|rate limit reached|too many requests|请求过于频繁", kind: RateLimited},

	// A parameter.
	{status: "400 422", param: "temperature", kind: InvalidRequest, hint: hintTemperature},
	{status: "400 422", words: "temperature", kind: InvalidRequest, hint: hintTemperature},
	{status: "400 422", words: "system role|system prompt|role 'system'|'system' with|system message|system instruction|developer instruction|roles must alternate", kind: InvalidRequest, hint: "Model {model} does not support system prompts. Leave system out."},
	{code: "exceed_context_size_error", kind: InvalidRequest, hint: hintTooLong},
	{status: "400 413 422", words: "context length|context window|context size|maximum context|prompt is too long|input is too long|input token count|model token limit|`inputs` tokens", kind: InvalidRequest, hint: hintTooLong},
	{status: "400", code: "integer_below_min_value", kind: InvalidRequest, hint: hintHigherLimit},
	{status: "400", words: "higher max_tokens|higher max_", kind: InvalidRequest, hint: hintHigherLimit},
	{status: "400 422", param: "max_*", kind: InvalidRequest, hint: hintLowerLimit},
	{status: "400 422", words: "max_tokens|max_completion_tokens|max_output_tokens|maxtokens|maxoutputtokens|maximum tokens", kind: InvalidRequest, hint: hintLowerLimit},
}

// statusRules are what a status means if the body does not say more (RFC 9110,
// section 15).
var statusRules = []rule{
	{status: "2xx", kind: UpstreamError, hint: "The provider answered with an error. Its message says why."},
	{status: "401", kind: Authentication},
	{status: "402", kind: QuotaExceeded},
	{status: "403", kind: Permission},
	{status: "404 405", kind: Misconfigured, scope: noAPI},
	{status: "404", kind: ModelNotFound},
	{status: "405", kind: Misconfigured},
	{status: "408", kind: Timeout},
	{status: "429", kind: RateLimited},
	{status: "5xx", kind: UpstreamError},
	{kind: InvalidRequest},
}
