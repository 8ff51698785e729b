package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxProblem limits the body of an error response.
const maxProblem = 1 << 20

// Error says what happened and to which fields, and under which id the log of the service
// has more.
func (p *Problem) Error() string {
	var text strings.Builder
	text.WriteString(cmp.Or(p.Detail, p.Title))
	for _, field := range p.Errors {
		fmt.Fprintf(&text, " %s %s.", field.Field, field.Message)
	}
	if p.Upstream != nil {
		fmt.Fprintf(&text, " %s: %s", p.Upstream.Kind, p.Upstream.Message)
	}
	fmt.Fprintf(&text, " [%d", p.Status)
	if p.Code != "" {
		fmt.Fprintf(&text, " %s, request %s", p.Code, p.RequestID)
	}
	text.WriteString("]")
	return text.String()
}

// Is reports whether the target is the code of the problem.
func (p *Problem) Is(target error) bool {
	code, ok := target.(ProblemCode)
	return ok && code == p.Code
}

// Error returns the code, so that it can be a target of [errors.Is].
func (c ProblemCode) Error() string { return string(c) }

// readProblem reads and closes an error response. One that is not from the service, but
// from a proxy, for example, has no code.
func readProblem(response *http.Response) *Problem {
	defer response.Body.Close()
	problem := &Problem{}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblem))
	media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || media != "application/problem+json" || json.Unmarshal(body, problem) != nil {
		problem = &Problem{Title: http.StatusText(response.StatusCode), Detail: foreign(response)}
	}
	problem.Status = int64(response.StatusCode)
	problem.RetryAfter = retryAfter(response.Header.Get("Retry-After"))
	return problem
}

// foreign describes an error response that is not from the service.
func foreign(response *http.Response) string {
	if location, err := response.Location(); err == nil {
		return fmt.Sprintf("%s is redirected to %s; if that is the service, use its URL", name(response), location.Redacted())
	}
	return fmt.Sprintf("the response to %s is not from the service: %s", name(response), http.StatusText(response.StatusCode))
}

// retryAfter parses a Retry-After header, which has seconds or a time.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return time.Duration(max(seconds, 0)) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
