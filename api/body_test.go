package api_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"modelproviders/api/apitest"
)

// What is no JSON object is refused wherever a body is taken, and changes
// nothing.
func TestBodySyntax(t *testing.T) {
	broken := map[string]string{
		"cut short":              `{"name":"a"`,
		"array":                  `[]`,
		"null":                   `null`,
		"string":                 `"{}"`,
		"number":                 `1`,
		"trailing object":        `{} {}`,
		"trailing letter":        `{}x`,
		"trailing comma":         `{"name":"a",}`,
		"comment":                `{/* no */}`,
		"single quotes":          `{'name':'a'}`,
		"bare name":              `{name:"a"}`,
		"octal number":           `{"version":01}`,
		"NaN":                    `{"version":NaN}`,
		"line break in text":     "{\"name\":\"a\nb\"}",
		"NUL":                    "{\"name\":\"a\x00b\"}",
		"NUL behind":             "{}\x00",
		"byte order mark":        "\ufeff{}",
		"invalid UTF-8":          "{\"name\":\"\xff\xfe\"}",
		"UTF-8 surrogate":        "{\"name\":\"\xed\xa0\x80\"}",
		"overlong UTF-8":         "{\"name\":\"\xc0\x80\"}",
		"UTF-16":                 "\xff\xfe{\x00}\x00",
		"lone high surrogate":    `{"name":"\ud83d"}`,
		"lone low surrogate":     `{"name":"\ude00"}`,
		"swapped surrogates":     `{"name":"\ude00\ud83d"}`,
		"unknown escape":         `{"name":"\x41"}`,
		"in a field passed over": `{"id":"\ud83d"}`,
		"nested too deep":        `{"models":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
		"white space only":       "  \n",
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, o := range withBody(p) {
			t.Run(o.method+" "+strings.ReplaceAll(o.path, p.ID, "id"), func(t *testing.T) {
				for name, body := range broken {
					t.Run(name, func(t *testing.T) {
						c.In(t).Do(o.method, o.path, body).Problem(http.StatusBadRequest, "malformed_request")
					})
				}
			})
		}
		unchanged(t, c, p)
		var page apitest.Page[apitest.Provider]
		if c.Get("/providers").Into(&page); len(page.Data) != 1 {
			t.Errorf("there are %d providers after nothing but broken requests, not 1", len(page.Data))
		}
	})
}

func TestBodyEmpty(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		noType := apitest.Header("Content-Type", "")
		for _, o := range withBody(p) {
			if o.bodyIsOptional() {
				status := o.do(c).Status
				c.Post(o.path, nil).Is(status)
				c.Post(o.path, "", noType).Is(status)
				c.Post(o.path, "", noType, apitest.Chunked).Is(status)
				c.Post(o.path, "{}").Is(status)
				continue
			}
			c.Do(o.method, o.path, nil).Problem(http.StatusBadRequest, "malformed_request")
			c.Do(o.method, o.path, "").Problem(http.StatusBadRequest, "malformed_request")
			c.Do(o.method, o.path, "", noType, apitest.Chunked).Problem(http.StatusBadRequest, "malformed_request")
		}
	})
}

func TestBodyMediaType(t *testing.T) {
	refused := []string{
		"text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
		"application/jsonx", "application/vnd.api+json", "application/problem+json", "application/json-patch+json",
		"application/json; charset=iso-8859-1", "application/json; charset=utf-16", "application/json;;=", "json", "*/*",
	}
	accepted := []string{
		"application/json", "Application/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`,
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, o := range withBody(p) {
			acceptPatch := ""
			if o.method == http.MethodPatch {
				acceptPatch = "application/json, application/merge-patch+json"
			}
			for _, media := range append([]string{""}, refused...) {
				o.do(c, apitest.Header("Content-Type", media)).Has("Accept-Patch", acceptPatch).
					Problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			}
			if o.method == http.MethodPost {
				o.do(c, apitest.Header("Content-Type", "application/merge-patch+json")).
					Problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			}
			o.do(c, apitest.Header("Content-Encoding", "gzip")).Problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
			o.do(c, apitest.Header("Content-Encoding", "identity")).Has("Accept-Patch", "")
		}
		unchanged(t, c, c.EditProvider(p.ID, object{"status": "active"}))

		for _, media := range append(accepted, "application/merge-patch+json", "application/merge-patch+json; charset=utf-8") {
			c.Patch(p.Path(), object{"name": apitest.UniqueName("n")}, apitest.Header("Content-Type", media)).Is(http.StatusOK).Has("Accept-Patch", "")
		}
		for _, media := range accepted {
			c.Post("/providers", apitest.OpenAI(nil), apitest.Header("Content-Type", media)).Is(http.StatusCreated)
		}
	})
}

// A compressed body is not unpacked, so that it can't grow here.
func TestBodyCompressed(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprintf(w, `{"name":"Packed","type":"openai","credentials":{"api_key":"sk-%s"}}`, apitest.Secret)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		c.Post("/providers", packed.String(), apitest.Header("Content-Encoding", "gzip")).Problem(http.StatusUnsupportedMediaType, "unsupported_media_type")
		c.Post("/providers", packed.String()).Problem(http.StatusBadRequest, "malformed_request")
	})
}

// The bound on a body is 1 MiB, whether its length is told or not.
func TestBodySize(t *testing.T) {
	const mebibyte = 1 << 20
	padded := func(body string, size int) string { return body + strings.Repeat(" ", size-len(body)) }
	await := apitest.Header("Expect", "100-continue") // as curl does: the answer may come before the body has gone
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		p := blockedProvider(c)
		for _, o := range withBody(p) {
			c.Do(o.method, o.path, padded("{}", 2*mebibyte), await).Problem(http.StatusRequestEntityTooLarge, "too_large")
			c.Do(o.method, o.path, padded("{}", mebibyte+1), apitest.Chunked).Problem(http.StatusRequestEntityTooLarge, "too_large")
		}
		unchanged(t, c, p)

		edit := fmt.Sprintf(`{"name":%q}`, "Edited")
		c.Patch(p.Path(), padded(edit, mebibyte)).Is(http.StatusOK)
		c.Patch(p.Path(), padded(edit, mebibyte), apitest.Chunked).Is(http.StatusOK)
		c.Patch(p.Path(), padded(edit, mebibyte+1), await).Problem(http.StatusRequestEntityTooLarge, "too_large")
		// A body that is too large and no JSON either is not read to find that out.
		c.Patch(p.Path(), strings.Repeat("x", 2*mebibyte), await, apitest.Header("Content-Type", "text/plain")).
			Problem(http.StatusRequestEntityTooLarge, "too_large")
	})
}

// A client that sends 2 MiB in chunks without waiting reads the refusal, and
// the service does not read it all.
func TestBodySizeChunkedStream(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		address, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", address.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		go func() {
			fmt.Fprintf(conn, "POST /providers HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
				address.Host, s.Admin(t).Token)
			chunk := fmt.Sprintf("%x\r\n%s\r\n", 1<<16, strings.Repeat(" ", 1<<16))
			for range 32 {
				if _, err := conn.Write([]byte(chunk)); err != nil {
					return // cut off, as it may be
				}
			}
		}()
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusRequestEntityTooLarge || !response.Close {
			t.Errorf("2 MiB in chunks are answered with %d, connection closed: %t", response.StatusCode, response.Close)
		}
	})
}

// A body that is wrong in hundreds of thousands of places is answered with a
// part of them, not with fifty times its size.
func TestBodyOfManyFaults(t *testing.T) {
	const within = 1 << 20
	wrong := map[string]string{
		"unknown fields": "{" + strings.TrimSuffix(repeated(`"x%d":1,`, 80_000), ",") + "}",
		"wrong elements": `{"models":[{"supported_stages":[` + strings.TrimSuffix(strings.Repeat("1,", 450_000), ",") + "]}]}",
		"invalid values": `{"name":"n","type":"openai","credentials":{"api_key":"k"},"models":[{"model_id":"m","supported_stages":[` +
			strings.TrimSuffix(strings.Repeat(`"x",`, 200_000), ",") + "]}]}",
		"nulls": `{"models":[` + strings.TrimSuffix(strings.Repeat("null,", 180_000), ",") + "]}",
	}
	onShared(t, func(t *testing.T, s *apitest.Server) {
		c := s.Workspace(t)
		for name, body := range wrong {
			answer := c.Post("/providers", body)
			if answer.Status != http.StatusBadRequest && answer.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", name, answer.Status)
			}
			if len(body) > within || len(answer.Body) > within {
				t.Errorf("%s: %d bytes are answered with %d", name, len(body), len(answer.Body))
			}
		}
	})
}

func repeated(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// TestABodyOfSomebodyUnknownIsNotRead: the connection is closed instead, be the
// body on its way or not.
func TestABodyOfSomebodyUnknownIsNotRead(t *testing.T) {
	onShared(t, func(t *testing.T, s *apitest.Server) {
		address := strings.TrimPrefix(s.URL, "http://")
		for who, authorization := range map[string]string{"no token": "", "a bad one": "Authorization: Bearer mp_x\r\n"} {
			for what, body := range map[string]string{
				"one that never comes":     "Content-Length: 1000\r\n\r\n",
				"a chunk that never comes": "Transfer-Encoding: chunked\r\n\r\n",
				"one that comes":           "Content-Length: 1000\r\n\r\n" + strings.Repeat(" ", 1000),
				"a chunk that comes":       "Transfer-Encoding: chunked\r\n\r\n1\r\n \r\n0\r\n\r\n",
			} {
				name := who + ", " + what
				conn, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "POST /providers HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n%s", address, authorization, body)
				if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
					t.Fatal(err)
				}
				reader := bufio.NewReader(conn)
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Errorf("%s: it waits for the body: %v", name, err)
					continue
				}
				if _, err := io.Copy(io.Discard, response.Body); err != nil {
					t.Error(err)
				}
				if _, err := reader.ReadByte(); response.StatusCode != http.StatusUnauthorized || !response.Close || err != io.EOF {
					t.Errorf("%s: status %d, closing %v, then %v", name, response.StatusCode, response.Close, err)
				}
			}
		}
	})
}
