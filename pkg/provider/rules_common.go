package provider

// The hints for a kind that no row and no type has a better one for.
var kindHints = map[FailureKind]string{
	Authentication:  "Replace the credentials of this provider.",
	QuotaExceeded:   "Add credit to the provider's account, or raise its spending limit.",
	Permission:      "Give these credentials the permission to use this model.",
	ModelNotFound:   "Check the model's id for a typo, and that this account has access to it.",
	Misconfigured:   "The address is not the one of the API: check its path.",
	Timeout:         "Try again later.",
	RateLimited:     "Wait a little and try again, or ask the provider for a higher rate limit.",
	UpstreamError:   "The fault is on the provider's side: try again later, and look at its status page.",
	InvalidRequest:  "The provider refused the request: its message says why.",
	ContentFiltered: "A content filter refused the prompt: try another one. Provider and model work.",
}

const (
	hintTooLong = "Shorten the prompt, or lower the output limit: together they do not fit the model's context."
	hintNoChat  = "Model {model} is not made for chat: choose a chat model."
	hintShutOut = "The provider has shut this account out: only the provider can say why."
	hintWall    = "A firewall before the API refused this server: ask whoever runs it to let its calls through."
)

// commonRules are what servers that speak OpenAI's API say, and what gateways
// of every kind do. Sources: OpenAI, "Error codes"; the documentation and source
// of LiteLLM, new-api, one-api, vLLM, Ollama and OpenRouter.
var commonRules = []rule{
	// Whose failure it is: a gateway's own upstream failed, for this model.
	{words: "received model group|available model group fallbacks|litellm.*exception - ", whose: ofModel},

	// The address, and what stands before the API.
	{words: "http request to an https server|http request was sent to https port", kind: Misconfigured, hint: "The server speaks TLS: its address begins with https://."},
	{status: "407", kind: Misconfigured, hint: "A proxy on the way wants to know who calls: the operator of this service can set its user and password."},
	{status: "401", words: "was an html page", kind: Misconfigured, whose: noAPI, hint: "What answered is a sign-in page, not an API: is the address right, or is there a proxy with a sign-in before it?"},
	{words: "error code: 1015", kind: RateLimited},
	{status: "403 503", words: "was an html page*cloudflare|error code: 10|your request was blocked|you have been blocked|access denied*reference #|just a moment", kind: Permission, whose: ofAccount, hint: hintWall},
	{status: "403", words: "was an html page", kind: Permission, whose: ofAccount, hint: hintWall},
	{status: "403", words: "missing authentication token", kind: Misconfigured, whose: noAPI},
	{status: "200 400 403 404 405 501", words: "unexpected endpoint|could not route|no route|route not found|route *not found|no api found|no such path|invalid endpoint|unknown endpoint|no such endpoint|not defined by this api|unable to identify proxy|no static resource|no http resource|cannot post /|invalid url (", kind: Misconfigured, whose: noAPI},
	{words: "404 not_found|404 not found|404 page not found", kind: Misconfigured, whose: noAPI},
	{code: "incorrect_hostname", kind: Misconfigured, hint: "This key belongs to a regional host, which the message names: use type Custom with that address, or have the operator set it as the endpoint."},

	// Credit.
	{code: "insufficient_quota|billing_hard_limit_reached|billing_not_active|budget_exceeded|quota_exceeded|insufficient_credits|insufficient_balance|insufficient_user_quota|pre_consume_token_quota_failed|arrearage", kind: QuotaExceeded},
	{words: "insufficient_quota|exceeded your current quota|insufficient credits|insufficient balance|insufficient funds|credit balance|balance is insufficient|not enough balance|exceededbudget|budget has been exceeded|out of credits|used all available credits|spending limit|key limit exceeded|free tier*exhausted|额度*用尽|额度不足|余额不足|欠费", kind: QuotaExceeded},

	{status: "400 403", words: "quota exceeded|exceeded*quota|quota*exhausted", kind: QuotaExceeded},

	// Refusals of the account or of one model.
	{words: "missing scopes", kind: Permission, whose: ofAccount, hint: "This key is restricted: give it the scopes that the message names, or use another key."},
	{code: "account_suspended|account_disabled|access_terminated", kind: Permission, whose: ofAccount, hint: hintShutOut},
	{words: "account has been suspended|account is suspended|account has been disabled|account is not active", kind: Permission, whose: ofAccount, hint: hintShutOut},
	{words: "organization must be verified|verify organization", kind: Permission, hint: "OpenAI wants to verify the organization before it may use this: do so in the organization's settings at platform.openai.com, and wait 15 minutes."},
	{words: "data policy", kind: Permission, hint: "The privacy settings of the account shut out every server of this model: change them, or choose another model."},
	{code: "unsupported_country_region_territory|ip_not_authorized|invalid_ip", kind: Permission, whose: ofAccount, hint: "The provider takes no calls from the address of this server: change the key's allowed addresses, or where this service runs."},
	{status: "403", code: "model_not_found", kind: Permission, hint: "Allow this key, or the project it belongs to, to use model {model}."},
	{code: "*_model_access_denied", kind: Permission, hint: "Allow this key, or the project it belongs to, to use model {model}."},

	// Not a chat model, or not this way.
	{words: "not a chat model|not support chat|chatcompletion operation does not work|not allowed to sample|embedding model|embeddings model|use the /embeddings|speech model|audio model|transcription model|moderation model|rerank model|image model|image generation model|realtime model|only supported in the realtime|supported in v1/audio|supported in v1/images|not supported in the v1/chat/completions", kind: InvalidRequest, hint: hintNoChat},
	{words: "only support stream|only supports stream|set to false for non-streaming|stream=true|streaming is required|must be streamed|does not support non-stream", kind: InvalidRequest, hint: "Model {model} answers streams only: test it as a stream (Accept: text/event-stream)."},

	// The key.
	{words: "litellm.authenticationerror", kind: Authentication, hint: "The gateway took this key, but its own key for model {model} was refused: replace that in the gateway."},
	{words: "litellm.contentpolicyviolationerror", kind: ContentFiltered},
	{words: "litellm.contextwindowexceedederror", kind: InvalidRequest, hint: hintTooLong},
	{code: "invalid_api_key|invalid_authentication|authentication_error|account_deactivated|expired_api_key|token_expired|invalid_token", kind: Authentication},
	{status: "200 400 401 403 404 5xx", words: "incorrect api key|invalid api key|invalid api_key|invalid api-key|api key is invalid|api key not valid|api key expired|api key not found|invalid authentication|invalid access token|invalid api token|login fail|authorization failed|authentication fails|authentication failed|无效的令牌|密钥无效|认证失败|鉴权失败", kind: Authentication},

	// The request.
	{code: "content_filter|content_policy_violation|responsibleaipolicyviolation|image_content_policy_violation|data_inspection_failed", kind: ContentFiltered},
	{code: "context_length_exceeded|string_above_max_length|context_window_exceeded", kind: InvalidRequest, hint: hintTooLong},
	{status: "422", words: "field required", kind: InvalidRequest},

	// The model.
	{code: "model_not_found|unknown_model|model_decommissioned|model_deprecated|unsupported_model|model_not_exist|model_not_supported|invalid_model|no_such_model|modelnotfound*|deploymentnotfound", kind: ModelNotFound},
	{status: "200 400 404 5xx", words: "model not exist|model not found|unknown model|invalid model|unsupported model|unrecognized model|not a valid model|has been decommissioned|model*has been deprecated|no available channel|无可用渠道|模型不存在|no such model|model *does not exist|model *not found", kind: ModelNotFound},
	{status: "400 404", param: "model", kind: ModelNotFound},

	{code: "rate_limit_exceeded|ratelimitreached|rate_limit_error|too_many_requests|rate_limited", kind: RateLimited},
	{status: "200 400 403 503", words: "rate limit exceeded|rate limit reached|too many requests|请求过于频繁", kind: RateLimited},

	// A parameter.
	{status: "400 422", param: "temperature", kind: InvalidRequest, hint: "Leave temperature out: model {model} does not take this one."},
	{status: "400 422", words: "temperature", kind: InvalidRequest, hint: "Leave temperature out: model {model} does not take this one."},
	{status: "400 413 422", words: "context length|context window|maximum context|prompt is too long", kind: InvalidRequest, hint: hintTooLong},
	{status: "400 422", param: "max_", kind: InvalidRequest, hint: "Lower max_output_tokens to what model {model} allows."},
	{status: "400 422", words: "max_tokens|max_completion_tokens|max_output_tokens", kind: InvalidRequest, hint: "Lower max_output_tokens to what model {model} allows."},
}

// statusRules are what a status means where the body says no more (RFC 9110,
// section 15).
var statusRules = []rule{
	{status: "2xx", kind: UpstreamError, hint: "The provider answered with an error: its message says why."},
	{status: "401", kind: Authentication},
	{status: "402", kind: QuotaExceeded},
	{status: "403", kind: Permission},
	{status: "404", kind: Misconfigured, whose: noAPI},
	{status: "404", kind: ModelNotFound},
	{status: "405", kind: Misconfigured, whose: noAPI},
	{status: "405", kind: Misconfigured},
	{status: "408", kind: Timeout},
	{status: "429", kind: RateLimited},
	{status: "5xx", kind: UpstreamError},
	{kind: InvalidRequest},
}
