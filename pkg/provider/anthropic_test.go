package provider_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"modelproviders/pkg/provider"
	"modelproviders/pkg/provider/providertest"
)

// answering makes a fake answer in a way of the test's own.
func answering(fake providertest.Fake, answer func(r *providertest.Request) providertest.Answer) providertest.Fake {
	fake.Answer = func(r *providertest.Request, _ providertest.Mode) (providertest.Answer, bool) { return answer(r), true }
	return fake
}

// jsonAnswer is an answer of status 200.
func jsonAnswer(body string) providertest.Answer {
	return providertest.Answer{Status: http.StatusOK, Header: providertest.Headers("Content-Type", "application/json"), Body: []byte(body)}
}

// eventsAnswer is a stream of server-sent events.
func eventsAnswer(events ...string) providertest.Answer {
	a := providertest.Answer{Status: http.StatusOK, Header: providertest.Headers("Content-Type", "text/event-stream"), Pieces: [][]byte{}}
	for _, event := range events {
		a.Pieces = append(a.Pieces, []byte(event+"\n\n"))
	}
	return a
}

// TestAnthropicLongAnswer: so many tokens can be asked for without a stream.
func TestAnthropicLongAnswer(t *testing.T) {
	for _, fake := range []providertest.Fake{providertest.Anthropic(), providertest.GCPVertexAIClaude()} {
		for _, model := range []string{fake.ModelID, "claude-opus-4-20250514"} {
			server := providertest.Start(t, answering(fake, func(r *providertest.Request) providertest.Answer {
				return providertest.MessagesAnswer(r, model, "end_turn", providertest.Headers())
			}))
			client := open(t, server)
			result := client.Generate(t.Context(), provider.Prompt{ModelID: model, Text: "Hi", MaxOutputTokens: 128_000}, nil)
			succeeded(t, result)
			if !strings.Contains(string(server.Requests()[0].Body), `"max_tokens":128000`) {
				t.Errorf("sent %s", server.Requests()[0].Body)
			}
		}
	}
}

// TestAnthropicThinking: what a model thinks is not what it says.
func TestAnthropicThinking(t *testing.T) {
	server := providertest.Start(t, answering(providertest.Anthropic(), func(r *providertest.Request) providertest.Answer {
		if !strings.Contains(string(r.Body), `"stream":true`) {
			return jsonAnswer(`{"type":"message","role":"assistant","model":"m","stop_reason":"end_turn","content":[
				{"type":"thinking","thinking":"Hm.","signature":"x"},{"type":"text","text":"Hel"},{"type":"future","text":"!"},{"type":"text","text":"lo"}]}`)
		}
		return eventsAnswer(
			`event: message_start`+"\n"+`data: {"type":"message_start","message":{"model":"m","content":[],"usage":{"input_tokens":3,"output_tokens":1}}}`,
			`event: content_block_start`+"\n"+`data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}`,
			`event: content_block_delta`+"\n"+`data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}`,
			`event: content_block_start`+"\n"+`data: {"type":"content_block_start","index":1,"content_block":{"type":"text","text":"Hel"}}`,
			`event: content_block_delta`+"\n"+`data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo"}}`,
			`event: future`+"\n"+`data: {"type":"future","delta":"of another form","message":[]}`,
			`event: ping`+"\n"+`data: pong`,
			`event: message_delta`+"\n"+`data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9.0}}`,
			`event: message_stop`+"\n"+`data: {"type":"message_stop"}`)
	}))
	client := open(t, server)
	for _, stream := range []bool{false, true} {
		result, _ := client.generate(t, stream)
		succeeded(t, result)
		if result.Response != "Hello" || result.FinishReason != "stop" || result.Model != "m" {
			t.Errorf("result %+v", result)
		}
		if stream && (result.Usage == nil || *result.Usage != provider.Usage{InputTokens: 3, OutputTokens: 9}) {
			t.Errorf("usage %+v", result.Usage)
		}
	}
}

// TestAnthropicErrorEvent: servers in front of the API leave its type out.
func TestAnthropicErrorEvent(t *testing.T) {
	for _, data := range []string{
		`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, `{"error":{"type":"overloaded_error","message":"Overloaded"}}`,
	} {
		server := providertest.Start(t, answering(providertest.Anthropic(), func(*providertest.Request) providertest.Answer {
			return eventsAnswer("event: error\ndata: " + data)
		}))
		result, _ := open(t, server).generate(t, true)
		if f := result.Failure; f == nil || f.Kind != provider.UpstreamError || f.Code != "overloaded_error" || f.Message != "Overloaded" {
			t.Errorf("%s: got %+v", data, f)
		}
	}
}

func TestAnthropicDiscoveryReadsPages(t *testing.T) {
	page := func(r *providertest.Request, size int, more bool) providertest.Answer {
		first := 0
		_, _ = fmt.Sscanf(r.HTTP().URL.Query().Get("after_id"), "model-%d", &first)
		var data []string
		for i := range size {
			data = append(data, fmt.Sprintf(`{"type":"model","id":"model-%05d","display_name":"Model %d"}`, first+i+1, first+i+1))
		}
		return jsonAnswer(fmt.Sprintf(`{"data":[%s],"has_more":%v,"first_id":"model-%05d","last_id":"model-%05d"}`, strings.Join(data, ","), more, first+1, first+size))
	}
	for name, test := range map[string]struct {
		size  int
		pages int // 0: they never end
		want  provider.Discovery
		calls int
	}{
		"two pages":    {20, 2, provider.Discovery{Supported: true}, 2},
		"very many":    {1000, 0, provider.Discovery{Supported: true, Truncated: true}, 1},
		"never ending": {1, 0, provider.Discovery{Supported: true, Truncated: true}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			server := providertest.Start(t, answering(providertest.Anthropic(), func(r *providertest.Request) providertest.Answer {
				last := fmt.Sprintf("model-%05d", test.size*(test.pages-1))
				return page(r, test.size, test.pages == 0 || r.HTTP().URL.Query().Get("after_id") != last)
			}))
			d, err := open(t, server).Models(t.Context())
			calls := len(server.Requests())
			if err != nil {
				t.Fatal(err)
			}
			if n := min(test.size*test.calls, provider.MaxDiscovered); len(d.Models) != n {
				t.Errorf("%d models, want %d", len(d.Models), n)
			}
			d.Models = nil
			if diff := cmp.Diff(test.want, d); diff != "" || calls != test.calls {
				t.Errorf("%d calls, want %d; (-want +got):\n%s", calls, test.calls, diff)
			}
		})
	}
}
