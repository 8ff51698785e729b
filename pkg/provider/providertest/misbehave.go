package providertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const page = `<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head><body><p>Please sign in.</p></body></html>`

// quiet is a log for what the server itself would complain of.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// misbehave answers in a mode that is no service's own.
func (s *Server) misbehave(w http.ResponseWriter, r *Request, mode Mode, redirect string) {
	if mode == Echo {
		r.Text = s.confession()
		if len(r.Calls) > 0 {
			r.Calls[0].Arguments = string(encode(map[string]any{"city": r.Text}))
		}
	}
	success, ok := s.Answer(r, Success)
	if !ok {
		s.t.Errorf("%s has no answer for %q", s.Type, Success)
		return
	}
	switch mode {
	case Truncated:
		half := firstHalf(success)
		half.Header.Del("Content-Length")
		send(w, half)
	case CloseMidBody:
		closeMidBody(w, success)
	case Silent:
		s.wait(r)
	case Stall:
		send(w, firstHalf(success))
		flush(w)
		s.wait(r)
	case Drip:
		s.drip(w, r, success)
	case Huge:
		s.pour(w, success)
	case HTML:
		html(w, http.StatusOK)
	case HTMLNotFound:
		html(w, http.StatusNotFound)
	case HTMLBadGate:
		html(w, http.StatusBadGateway)
	case Redirect:
		w.Header().Set("Location", redirect+r.Path+"?code=1")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case BrokenUTF8:
		send(w, breakText(success))
	case ManyHeaders:
		for i := range 10_000 {
			w.Header().Set("X-Filler-"+strconv.Itoa(i), "x")
		}
		send(w, success)
	case Echo:
		send(w, success)
	case EchoError:
		s.echoError(w, r)
	case ServerClosing:
		panic(http.ErrAbortHandler)
	case PlainError:
		http.Error(w, "upstream connect error or disconnect/reset before headers", http.StatusInternalServerError)
	case EmptyError:
		w.WriteHeader(http.StatusServiceUnavailable)
	case NotJSON:
		success.Header.Del("Content-Length")
		send(w, Answer{Status: success.Status, Header: success.Header, Body: []byte("\n\nthis is not what you are looking for\n\n")})
	default:
		s.t.Errorf("%s does not know the mode %q", s.Type, mode)
		w.WriteHeader(http.StatusTeapot)
	}
}

func html(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, page)
}

// wait does nothing until the client goes away.
func (s *Server) wait(r *Request) {
	<-r.raw.Context().Done()
	s.left <- struct{}{}
}

// firstHalf is an answer that ends in its middle: behind half of the pieces of
// a stream.
func firstHalf(a Answer) Answer {
	return Answer{Status: a.Status, Header: a.Header.Clone(), Body: a.Body[:len(a.Body)/2], Pieces: a.Pieces[:len(a.Pieces)/2]}
}

// closeMidBody ends an answer by closing the connection.
func closeMidBody(w http.ResponseWriter, a Answer) {
	send(w, firstHalf(a))
	flush(w)
	panic(http.ErrAbortHandler)
}

// drip sends a byte a second until the client goes away.
func (s *Server) drip(w http.ResponseWriter, r *Request, a Answer) {
	begin(w, a)
	body := append(bytes.Join(a.Pieces, nil), a.Body...)
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil {
			break
		}
		flush(w)
		select {
		case <-r.raw.Context().Done():
			s.left <- struct{}{}
			return
		case <-time.After(time.Second):
		}
	}
	s.left <- struct{}{}
}

// pour sends half of the answer and then up to a gigabyte that may belong to
// it.
func (s *Server) pour(w http.ResponseWriter, a Answer) {
	half := firstHalf(a)
	half.Header.Del("Content-Length")
	send(w, half)
	if a.Pieces != nil {
		_, _ = io.WriteString(w, "data: ")
	}
	block := bytes.Repeat([]byte("a"), 64<<10)
	for range 1 << 30 / len(block) {
		if _, err := w.Write(block); err != nil {
			break
		}
	}
	s.left <- struct{}{}
}

// breakText makes the model's text invalid UTF-8.
func breakText(a Answer) Answer {
	broken := func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("ö"), []byte{0xff, 0xfe}) }
	out := Answer{Status: a.Status, Header: a.Header.Clone(), Body: broken(a.Body)}
	out.Header.Del("Content-Length")
	for _, piece := range a.Pieces {
		out.Pieces = append(out.Pieces, broken(piece))
	}
	return out
}

// Secrets are the credentials that the server accepts.
func (s *Server) Secrets() []string {
	var secrets []string
	for _, value := range s.Credentials {
		switch value := value.(type) {
		case string:
			secrets = append(secrets, value)
		case map[string]any: // shorter values are not cut out
			for _, entry := range value {
				if text, ok := entry.(string); ok && len(text) >= 16 {
					secrets = append(secrets, text)
				}
			}
		}
	}
	return secrets
}

// confession is a text that has every credential in every form in which one may
// be written.
func (s *Server) confession() string {
	var b strings.Builder
	b.WriteString("Here they are: ")
	for _, secret := range s.Secrets() {
		for _, form := range Disguises(secret) {
			fmt.Fprintf(&b, "[%s] ", form)
		}
	}
	return b.String() + "that is all."
}

// Disguises are the forms in which an upstream may write a secret.
func Disguises(secret string) []string {
	quoted, err := json.Marshal(secret)
	if err != nil {
		panic(err)
	}
	twice, err := json.Marshal(string(quoted))
	if err != nil {
		panic(err)
	}
	forms := make([]string, 0, 24)
	forms = append(forms, secret, url.QueryEscape(secret), url.PathEscape(secret), percent(secret),
		strings.Trim(string(quoted), `"`), string(twice))
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		for _, before := range []string{"", "u", "u:"} {
			forms = append(forms, encoding.EncodeToString([]byte(before+secret+":tail")), encoding.EncodeToString([]byte(before+secret)))
		}
	}
	return forms
}

// percent escapes every byte of s.
func percent(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

// echoError is the service's refusal of credentials, with the credentials in
// every message and every header of its own.
func (s *Server) echoError(w http.ResponseWriter, r *Request) {
	a, ok := s.Answer(r, Authentication)
	if !ok {
		s.t.Errorf("%s has no answer for %q", s.Type, Authentication)
		return
	}
	for name, values := range a.Header {
		if name != "Content-Type" && name != "Content-Length" && !strings.HasPrefix(name, "X-Amzn-Errortype") {
			values[0] += strings.Join(s.Secrets(), "")
		}
	}
	var body any
	if err := json.Unmarshal(a.Body, &body); err != nil {
		s.t.Errorf("%s: the body of an error is no JSON: %v", s.Type, err)
		return
	}
	a.Body, _ = json.Marshal(confess(body, s.confession()))
	a.Header.Del("Content-Length")
	send(w, a)
}

// confess adds to every message in a decoded body.
func confess(value any, message string) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			if text, ok := v[name].(string); ok && strings.EqualFold(name, "message") && text != "" {
				v[name] = text + " " + message
				continue
			}
			v[name] = confess(v[name], message)
		}
	case []any:
		for i := range v {
			v[i] = confess(v[i], message)
		}
	}
	return value
}
