package app_test

import (
	"fmt"
	"net/http"
	"strings"

	"modelproviders/api/apitest"
	"modelproviders/pkg/provider/providertest"
)

// everyType creates, tests, edits and deletes a provider of each type, while its
// upstream answers, refuses, and echoes the credentials.
func (c *canarySession) everyType() {
	c.t.Helper()
	for _, upstream := range c.fakes {
		c.secrets.addCredentials(c.t, upstream.Type, upstream.Credentials)
		settings := object{"credentials": upstream.Credentials, "config": settingsOf(upstream)}
		create := object{
			"name": "A " + upstream.Type, "type": upstream.Type, "credentials": upstream.Credentials, "config": settingsOf(upstream),
			"models": []object{{"model_id": upstream.ModelID, "supported_stages": []string{"planning"}}},
		}
		made := c.wants(http.StatusCreated, c.say("POST", "/providers", create, "Idempotency-Key", "create-"+upstream.Type))
		c.wants(http.StatusCreated, c.say("POST", "/providers", create, "Idempotency-Key", "create-"+upstream.Type))
		create["name"] = "Another"
		c.wants(http.StatusUnprocessableEntity, c.say("POST", "/providers", create, "Idempotency-Key", "create-"+upstream.Type))
		provider := "/providers/" + made.string("id")
		model := "/models/" + made.modelID()

		for _, mode := range []providertest.Mode{providertest.Success, providertest.Echo, providertest.EchoError, providertest.Redirect} {
			upstream.Use(mode)
			c.tests(model, provider, upstream, settings)
		}
		upstream.Use(providertest.Success)
		c.edits(provider, upstream)
	}
}

// tests sends the prompt in every way: saved, as a draft, as an edit, streamed,
// and asks for the models.
func (c *canarySession) tests(model, provider string, upstream *providertest.Server, settings object) {
	c.t.Helper()
	prompt := c.secrets.add("prompt", "a prompt about Tlatelolco and its 7 gardens")
	draft := object{"credentials": settings["credentials"], "config": settings["config"], "model_id": upstream.ModelID, "prompt": prompt}
	for _, accept := range []string{"application/json", "text/event-stream"} {
		c.wants(200, c.say("POST", model+"/test", object{"prompt": prompt, "system": prompt}, "Accept", accept))
		c.wants(200, c.say("POST", "/provider-types/"+upstream.Type+"/test", draft, "Accept", accept))
		c.wants(200, c.say("POST", provider+"/test", object{"model_id": upstream.ModelID, "prompt": prompt}, "Accept", accept))
	}
	c.say("GET", provider+"/available-models", nil)
	c.say("POST", "/provider-types/"+upstream.Type+"/available-models", settings)
	c.wants(200, c.say("GET", provider, nil)) // what was observed
	c.wants(200, c.say("GET", "/models", nil))
}

// edits changes the provider's settings, reveals them, and removes it.
func (c *canarySession) edits(provider string, upstream *providertest.Server) {
	c.t.Helper()
	present := c.wants(200, c.say("GET", provider, nil))
	c.wants(200, c.say("PATCH", provider, present.body)) // sent back as it was answered
	c.wants(200, c.say("PATCH", provider, object{"name": "Renamed " + upstream.Type}))
	c.wants(200, c.say("PATCH", provider, object{"credentials": upstream.Credentials}))
	for field, value := range apitest.Flat(upstream.Credentials) {
		revealed := c.wants(200, c.quietly("POST", provider+"/credentials/"+field+"/reveal", object{"reason": "moving"}))
		if revealed.string("value") != value {
			c.t.Errorf("%s: another %s was revealed than the stored one", upstream.Type, field)
		}
		c.wants(404, c.say("POST", provider+"/credentials/"+field+"x/reveal", nil))
		found := c.wants(200, c.say("POST", "/credentials/lookup", object{"value": value}))
		if data, _ := found.body["data"].([]any); len(data) == 0 {
			c.t.Errorf("%s: %s is not found", upstream.Type, field)
		}
	}
	c.wants(412, c.say("DELETE", provider, nil, "If-Match", `"999"`))
	c.wants(204, c.say("DELETE", provider, nil))
	c.wants(404, c.say("GET", provider, nil))
}

// repeatingUpstream tests a server that puts keys wherever it can in its answers, also
// the stored key while a draft replaces it.
func (c *canarySession) repeatingUpstream() {
	c.t.Helper()
	stored := c.secrets.add("stored key", `sk-5tored/Vx+9=Qm"Zk\7&<wJ>`)
	header := c.secrets.add("stored header", "gw-5tored/Vx+9=Qm\"Zk7")
	drafted := c.secrets.add("drafted key", `sk-dr4fted/Yb+8=Lp"Nc\6&<tR>`)
	config := object{"base_url": c.repeater.url}
	made := c.wants(201, c.say("POST", "/providers", object{
		"name": "Repeater", "type": c.repeater.typeName, "credentials": object{"api_key": stored, "headers": object{"X-Gateway-Key": header}}, "config": config,
		"models": []object{{"model_id": "m", "supported_stages": []string{"planning"}}},
	}))
	provider := "/providers/" + made.string("id")
	model := "/models/" + made.modelID()
	draft := object{"credentials": object{"api_key": drafted}, "model_id": "m", "prompt": "Hello"}
	for _, form := range repeaterForms() {
		for _, accept := range []string{"application/json", "text/event-stream"} {
			c.repeater.use(form, stored, drafted)
			c.wants(200, c.say("POST", provider+"/test", draft, "Accept", accept))
			c.repeater.use(form, stored)
			c.wants(200, c.say("POST", model+"/test", aPrompt(), "Accept", accept))
		}
		c.say("GET", provider+"/available-models", nil)
		c.wants(200, c.say("GET", provider, nil))
		c.wants(200, c.say("GET", "/providers?status=error", nil))
	}
	moved := c.secrets.add("moved key", "sk-m0ved-Jd83hfKqPw")
	c.wants(422, c.say("PATCH", provider, object{"config": object{"base_url": "https://evil.example"}}))
	c.wants(422, c.say("POST", provider+"/test", object{"config": object{"base_url": "https://evil.example"}, "model_id": "m", "prompt": "Hello"}))
	c.wants(200, c.say("PATCH", provider, object{"credentials": object{"api_key": moved}, "config": object{"base_url": c.repeater.url + "/"}}))
	c.wants(204, c.say("DELETE", provider, nil))
}

// wrongPlaces sends a secret where none belongs. Refusals must name the field, but not
// the value.
func (c *canarySession) wrongPlaces() {
	c.t.Helper()
	secret := c.secrets.add("misplaced key", "sk-m1splaced-Rk29xLqWvB")
	made := c.wants(201, c.say("POST", "/providers", object{"name": "Wrong places", "type": "openai", "credentials": object{"api_key": secret}}))
	provider := "/providers/" + made.string("id")
	create := func(change object) object {
		body := object{"name": "Another", "type": "openai", "credentials": object{"api_key": "sk-fine"}}
		for name, value := range change {
			body[name] = value
		}
		return body
	}
	account := func(member, value string) object {
		file := object{"type": "service_account", "project_id": "p", "private_key_id": "1", "private_key": secret, "client_email": "a@b.iam.gserviceaccount.com"}
		file[member] = value
		return create(object{"type": "gcp_vertex_ai", "config": object{"project": "my-project", "region": "us"}, "credentials": object{"service_account_json": file}})
	}
	for _, body := range []any{
		create(object{"type": secret}), create(object{"name": secret + "\x01"}), create(object{"name": strings.Repeat(secret, 10)}), create(object{"nothing": secret}),
		create(object{"credentials": secret}), create(object{"credentials": []string{secret}}),
		create(object{"credentials": object{"api_key": object{"value": secret}}}), create(object{"credentials": object{"api_key": []string{secret}}}),
		create(object{"credentials": object{"api_key": secret + "\x01"}}), create(object{"credentials": object{"api_key": secret + "é"}}),
		create(object{"credentials": object{"api_key": strings.Repeat(secret, 300)}}), create(object{"credentials": object{"api_key": secret + "••••"}}),
		create(object{"credentials": object{"api_key": secret, "token": secret}}), create(object{"config": object{"region": secret}}),
		create(object{"type": "aws_bedrock", "credentials": object{"access_key_id": secret, "secret_access_key": secret}, "config": object{"region": secret}}),
		create(object{"type": "custom", "config": object{"base_url": secret}}),
		create(object{"type": "custom", "config": object{"base_url": "https://user:" + secret + "@host.example"}}),
		create(object{"type": "custom", "config": object{"base_url": "https://host.example/?key=" + secret}}),
		create(object{"type": "custom", "config": object{"base_url": "https://host.example/#" + secret}}),
		create(object{"type": "custom", "config": object{"base_url": "https://" + secret + ":x/"}}),
		create(object{"type": "azure_openai", "config": object{"base_url": "https://host.example", "api_version": secret}}),
		account("private_key", secret), account("token_uri", "https://evil.example/"+secret), account("type", secret), account("universe_domain", secret),
		create(object{"type": "gcp_vertex_ai", "config": object{"project": "my-project", "region": "us"}, "credentials": object{"service_account_json": secret}}),
		create(object{"type": "gcp_vertex_ai", "config": object{"project": "my-project", "region": "us"}, "credentials": object{"service_account_json": `{"private_key":"` + secret}}),
		create(object{"models": []object{{"model_id": "m", "supported_stages": []string{secret}}}}),
		create(object{"models": []object{{"model_id": "m", "supported_stages": secret, "enabled": secret}}}),
		`{"credentials":{"api_key":"` + secret, `{"credentials":{"api_key":"` + secret + `\q"}}`, `{"name":"a"} ` + secret, secret,
		`{"credentials":{"api_key":"` + secret + "\xff" + `"}}`, `{"credentials":{"api_key":"` + secret + `","api_key":"` + secret + `"}}`,
		`{"credentials":{"api_key":"` + secret + `\ud800"}}`, `[` + `"` + secret + `"]`,
	} {
		c.refused(c.say("POST", "/providers", body))
	}
	for _, body := range []object{
		{"status": secret}, {"version": secret}, {"type": secret}, {"models": secret}, {"models": []object{{"id": secret}}}, {"credentials": object{"api_key": secret + "\x01"}},
	} {
		c.refused(c.say("PATCH", provider, body))
	}
	c.refused(c.say("POST", "/provider-types/openai/test", object{"credentials": object{"api_key": secret + "\n\x01x"}, "model_id": "m", "prompt": "", "temperature": 9}))
	c.refused(c.say("POST", provider+"/credentials/api_key/reveal", object{"reason": secret + "\x01"}))
	c.refused(c.say("POST", provider+"/credentials/api_key/reveal", object{"reason": 7, "value": secret}))
	for _, body := range []any{
		object{secret: secret}, object{"value": object{secret: secret}}, object{"value": []string{secret}}, object{"value": secret, "name": secret},
		object{"value": secret + "••••"}, object{"value": strings.Repeat(secret, 1000)}, secret, `{"value":"` + secret, `{"` + secret + `":1,"` + secret + `":1}`,
	} {
		c.refused(c.say("POST", "/credentials/lookup", body))
	}
	for _, query := range []string{"limit=", "cursor=", "status=", "type=", "sort="} {
		c.refused(c.say("GET", "/providers?"+query+secret, nil))
	}
	c.wants(200, c.say("GET", "/providers?q="+secret, nil))
	c.refused(c.say("PATCH", provider, object{"name": "x"}, "If-Match", secret))
	c.refused(c.say("GET", provider, nil, "Authorization", "Bearer "+secret))
	c.refused(c.say("GET", provider, nil, "Authorization", "Basic "+secret))
	c.refused(c.say("POST", "/providers", create(nil), "Content-Type", "text/"+secret))
	c.refused(c.say("POST", "/providers", create(nil), "Content-Encoding", secret))
	c.wants(200, c.say("GET", provider, nil, "X-Request-Id", "("+secret+")"))

	// The caller gets back what they put in a path or in a field name; it must not
	// appear elsewhere.
	for _, path := range []string{"/providers/" + secret, "/" + secret, "/provider-types/" + secret, "/providers?" + secret + "=1", "/models/" + secret} {
		c.refused(c.quietly("GET", path, nil))
	}
	c.refused(c.quietly("POST", "/providers", object{secret: 1, "credentials": object{secret: 1}}))
	c.refused(c.quietly("POST", provider+"/credentials/"+secret+"/reveal", nil))
	c.refused(c.quietly(secret[:10], "/providers", nil))
}

// refused fails the test unless the answer is a client error.
func (c *canarySession) refused(got answer) {
	c.t.Helper()
	if got.status < 400 || got.status >= 500 {
		c.t.Errorf("answered %d: %s\n%s", got.status, got.text, c.said[len(c.said)-1].where)
	}
}

// tokensAndEvents creates a token, and reads all audit events.
func (c *canarySession) tokensAndEvents() {
	c.t.Helper()
	made := c.wants(201, c.quietly("POST", "/tokens", object{"name": "A script", "role": "editor"}))
	token := c.secrets.add("token", made.string("token"))
	c.wants(200, c.say("GET", "/me", nil, "Authorization", "Bearer "+token))
	c.wants(403, c.say("GET", "/tokens", nil, "Authorization", "Bearer "+token))
	c.wants(200, c.say("GET", "/tokens", nil))
	c.wants(204, c.say("DELETE", "/tokens/"+made.string("id"), nil))
	c.wants(401, c.say("GET", "/me", nil, "Authorization", "Bearer "+token))
	events, next := 0, "/audit-events?limit=100"
	for next != "" {
		page := c.wants(200, c.say("GET", next, nil))
		data, _ := page.body["data"].([]any)
		events += len(data)
		cursor, more := page.body["next_cursor"].(string)
		if next = ""; more {
			next = "/audit-events?limit=100&cursor=" + cursor
		}
	}
	if events < 100 {
		c.t.Errorf("only %d events were kept", events)
	}
}

// ownFailures causes internal errors: credentials that don't open, a panic, a missing
// table.
func (c *canarySession) ownFailures() {
	c.t.Helper()
	secret := c.secrets.add("key of a broken service", "sk-br0ken-Hs84kfLqPz")
	create := func(name string) answer {
		return c.say("POST", "/providers", object{"name": name, "type": "openai", "credentials": object{"api_key": secret},
			"models": []object{{"model_id": "m", "supported_stages": []string{"planning"}}}})
	}
	made := c.wants(201, create("Tampered with"))
	provider := "/providers/" + made.string("id")
	model := "/models/" + made.modelID()
	other := c.wants(201, create("Untouched"))
	c.database.exec(c.t, c.dir, fmt.Sprintf("UPDATE providers SET credentials = (SELECT credentials FROM providers WHERE id = '%s') WHERE id = '%s'",
		other.string("id"), made.string("id")))
	c.wants(500, c.say("POST", provider+"/credentials/api_key/reveal", nil))
	c.wants(200, c.say("POST", "/credentials/lookup", object{"value": secret}))
	c.wants(500, c.say("POST", model+"/test", aPrompt()))
	c.wants(500, c.say("POST", provider+"/test", object{"credentials": object{"api_key": secret}, "model_id": "m", "prompt": "Hello"}))

	c.clock.Store(&secret)
	c.wants(500, create("Panic"))
	c.clock.Store(nil)

	c.database.exec(c.t, c.dir, "ALTER TABLE models RENAME TO gone")
	c.wants(500, create("No table"))
	c.wants(500, c.say("PATCH", provider, object{"credentials": object{"api_key": secret}}))
	c.database.exec(c.t, c.dir, "ALTER TABLE gone RENAME TO models")
	c.database.exec(c.t, c.dir, "ALTER TABLE providers RENAME COLUMN credentials TO gone")
	c.wants(500, c.say("POST", "/credentials/lookup", object{"value": secret}))
	c.database.exec(c.t, c.dir, "ALTER TABLE providers RENAME COLUMN gone TO credentials")
	c.wants(200, c.say("GET", provider, nil))
}
