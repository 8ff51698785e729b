package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

func main() {
	base, token, what := os.Args[1], os.Args[2], os.Args[3]
	callers, _ := strconv.Atoi(os.Args[4])
	d, _ := time.ParseDuration(os.Args[5])
	go http.ListenAndServe("127.0.0.1:9911", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"Hello!"}}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}`)
	}))
	time.Sleep(50 * time.Millisecond)
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	call := func(m, p string, body any) (int, []byte) {
		var b bytes.Buffer
		if body != nil {
			json.NewEncoder(&b).Encode(body)
		}
		r, _ := http.NewRequest(m, base+p, &b)
		r.Header.Set("Authorization", "Bearer "+token)
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		resp, err := c.Do(r)
		if err != nil {
			panic(err)
		}
		defer resp.Body.Close()
		t, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, t
	}
	var ids []string
	var pids []string
	for i := range 70 {
		s, t := call("POST", "/providers", map[string]any{"name": fmt.Sprint(time.Now().UnixNano(), i), "type": "custom", "credentials": map[string]string{"api_key": "sk-0123456789abcdef"}, "config": map[string]string{"base_url": "http://127.0.0.1:9911"},
			"models": []map[string]any{{"model_id": "m", "supported_stages": []string{"planning"}}, {"model_id": "n", "supported_stages": []string{"planning"}}}})
		if s != 201 {
			panic(string(t))
		}
		var p struct {
			ID     string
			Models []struct{ ID string }
		}
		json.Unmarshal(t, &p)
		ids = append(ids, p.Models[0].ID)
		pids = append(pids, p.ID)
	}
	run := func(d time.Duration) {
		var mu sync.Mutex
		var all []time.Duration
		var wg sync.WaitGroup
		end := time.Now().Add(d)
		for i := range callers {
			wg.Go(func() {
				var mine []time.Duration
				n := 0
				for time.Now().Before(end) {
					t := time.Now()
					var s int
					var txt []byte
					switch what {
					case "test":
						s, txt = call("POST", "/models/"+ids[i]+"/test", map[string]string{"prompt": "Say hello."})
					case "get":
						s, txt = call("GET", "/providers/"+pids[i], nil)
					case "create":
						n++
						s, txt = call("POST", "/providers", map[string]any{"name": fmt.Sprint(time.Now().UnixNano(), " ", i, n), "type": "custom", "credentials": map[string]string{"api_key": "sk-0123456789abcdef"}, "config": map[string]string{"base_url": "http://127.0.0.1:9911"},
							"models": []map[string]any{{"model_id": "m", "supported_stages": []string{"planning"}}, {"model_id": "n", "supported_stages": []string{"planning"}}}})
					}
					if s > 201 {
						panic(string(txt))
					}
					mine = append(mine, time.Since(t))
				}
				mu.Lock()
				all = append(all, mine...)
				mu.Unlock()
			})
		}
		wg.Wait()
		slices.Sort(all)
		fmt.Printf("%s %d callers: %.0f/s p50 %v p99 %v max %v\n", what, callers, float64(len(all))/d.Seconds(), all[len(all)/2], all[len(all)*99/100], all[len(all)-1])
	}
	run(time.Second)
	run(d)
}
