package provider

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// problem is the content of an error's body, in any format.
type problem struct {
	message string
	code    string // the service's own code; a bare HTTP status is none
	typ     string // a class of errors, such as invalid_request_error
	param   string // the parameter of the request it is about
	status  string // a status in words, such as Google's PERMISSION_DENIED
	inner   string // the code of a more exact, inner error
	http    int    // the HTTP status that the body names; 0: none

	requestID string // Google's id of the request that failed

	structured bool // the body is JSON that says what is wrong
}

// name returns the most specific code of the service for the problem.
func (p problem) name() string { return cmp.Or(p.code, p.status, p.typ) }

// isEmpty reports whether the problem has no content.
func (p problem) isEmpty() bool { return p.message == "" && p.name() == "" }

// says reports whether the message contains one of the phrases; see [hasWords].
func (p problem) says(phrases string) bool { return hasWords(phrases, strings.ToLower(p.message)) }

// pageMessage is the beginning of the message for an HTML page, in lower case.
const pageMessage = "the answer was an html page"

// problemOf reads the body of an error. Servers differ: OpenAI's and most
// others' {"error":{"message",…}}, {"error":"text"}, {"message":…},
// {"detail":…} as text, as an object, or as FastAPI's list of broken fields
// with a path each, problem documents, OAuth's {"error","error_description"},
// AWS's {"__type","message"}, sometimes within `Output`, or its XML, Google's
// {"error":{…,"status","details"}}, lists of any of these, a bare string, plain
// text, HTML.
func problemOf(body []byte) problem {
	body = bytes.TrimSpace(body)
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&value) == nil {
		if p := problemIn(value); !p.isEmpty() {
			p.structured = p.message != "" || p.code != ""
			return p
		}
	}
	if p := problemInXML(body); !p.isEmpty() {
		return p
	}
	if looksLikeHTML(body) {
		return problem{message: "The answer was an HTML page" + titleOf(body) + "." + textOf(body)} // see [pageMessage]
	}
	return problem{message: string(body)}
}

// problemInXML reads an error of AWS's query protocol:
// <ErrorResponse><Error><Code>…</Code><Message>…</Message></Error></ErrorResponse>.
func problemInXML(body []byte) problem {
	var response struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
	}
	if xml.Unmarshal(body, &response) != nil {
		return problem{}
	}
	return problem{code: response.Code, message: response.Message, structured: true}
}

// problemIn reads a decoded body, or a part of it.
func problemIn(value any) problem {
	switch v := value.(type) {
	case string:
		p := problem{message: v}
		if strings.Contains(v, "_") && !strings.Contains(v, " ") { // a code in the place of a message
			p.code = v
		}
		return p
	case []any:
		return problemInList(v)
	case map[string]any:
		return problemInObject(v)
	}
	return problem{}
}

// problemInList joins the problems in a list.
func problemInList(list []any) problem {
	var all problem
	var messages []string
	for _, member := range list {
		p := problemIn(member)
		if p.message != "" {
			messages = append(messages, p.message)
		}
		if all.name() == "" && all.param == "" { // the first that says more than a message
			all = p
		}
	}
	all.message = strings.Join(messages, "; ")
	return all
}

// entraMessage is a message of Microsoft Entra ID: its code, which is more exact than
// OAuth's, a text, and data for Microsoft's support. Of these the Trace ID is also in the
// header X-Ms-Request-Id.
var entraMessage = regexp.MustCompile(`(?s)^(AADSTS[0-9]+): (.+?)(?:\s+Trace ID: .*)?$`)

func problemInObject(o map[string]any) problem {
	own := problem{
		message: first(o, messageText, "message", "msg", "error_description", "faultstring", "error_message", "error_msg", "errorMsg", "errorMessage", "errmsg", "status_msg", "Message", "title"),
		code:    cmp.Or(first(o, codeText, "code", "error_code", "errorcode", "errorCode", "Code"), awsCode(text(o["__type"]))),
		typ:     text(o["type"]),
		param:   text(o["param"]),
		status:  text(o["status"]),
		inner:   cmp.Or(text(member(o["innererror"], "code")), text(member(o["inner_error"], "code"))), // Azure
		http:    statusIn(o),
	}
	if loc := location(o["loc"]); loc != "" { // FastAPI: a field that is invalid
		own.param, own.message = loc[strings.LastIndexByte(loc, '.')+1:], loc+": "+own.message
	}
	word := text(o["error"])
	isCode := word != "" && own.message != "" // beside a message (RFC 6749, section 5.2)
	if isCode && !strings.Contains(word, " ") {
		own.code = cmp.Or(own.code, word)
	}
	if said := entraMessage.FindStringSubmatch(own.message); said != nil {
		own.typ, own.code, own.message = cmp.Or(own.typ, own.code), said[1], said[2]
	}
	details, _ := o["details"].([]any)
	for _, detail := range details { // google.rpc.Status
		own.code = cmp.Or(own.code, text(member(detail, "reason")))
		own.requestID = cmp.Or(own.requestID, text(member(detail, "requestId")))
	}
	if raw := text(member(o["metadata"], "raw")); raw != "" { // OpenRouter: the message of the provider behind it
		own.message = strings.TrimSpace(own.message + ": " + raw)
	}
	if isCode {
		return own
	}
	for _, name := range []string{"error", "detail", "errors", "fault", "base_resp", "Output", "Response", "Error", "message"} {
		if _, isText := o[name].(string); isText && name == "message" {
			continue
		}
		if inner := problemIn(o[name]); !inner.isEmpty() {
			return inner.or(own)
		}
	}
	return own
}

// first reads the first of the members that is not empty.
func first(o map[string]any, read func(any) string, names ...string) string {
	for _, name := range names {
		if s := read(o[name]); s != "" {
			return s
		}
	}
	return ""
}

// or fills the empty fields of p from other.
func (p problem) or(other problem) problem {
	return problem{
		message: cmp.Or(p.message, other.message), code: cmp.Or(p.code, other.code), typ: cmp.Or(p.typ, other.typ),
		param: cmp.Or(p.param, other.param), status: cmp.Or(p.status, other.status), inner: cmp.Or(p.inner, other.inner),
		http: cmp.Or(p.http, other.http), requestID: cmp.Or(p.requestID, other.requestID),
		structured: p.structured,
	}
}

// statusIn is an HTTP status of an error in a field of the object; 0: none.
func statusIn(o map[string]any) int {
	for _, name := range []string{"code", "status", "statusCode", "status_code"} {
		if o[name] == nil {
			continue
		}
		if status, err := strconv.Atoi(fmt.Sprint(o[name])); err == nil && status >= 400 && status < 600 {
			return status
		}
	}
	return 0
}

// member is a member of an object; nil where there is no such thing.
func member(object any, name string) any {
	members, _ := object.(map[string]any)
	return members[name]
}

// text is a string, or empty for any other value and for a missing one.
func text(value any) string {
	s, _ := value.(string)
	if s == "None" || s == "null" { // LiteLLM writes Python's
		return ""
	}
	return s
}

// codeText is an error code; a number is a mere HTTP status.
func codeText(value any) string {
	s := text(value)
	if _, err := strconv.Atoi(s); err == nil {
		return ""
	}
	return s
}

// awsCode returns an AWS error code without the namespace before it and the address
// after it. Source: Smithy, AWS restJson1 protocol, "Operation error
// serialization".
func awsCode(code string) string {
	code, _, _ = strings.Cut(code[strings.LastIndexByte(code, '#')+1:], ":")
	return code
}

// messageText is a message: a string, or the JSON of something else.
func messageText(value any) string {
	if message, ok := value.(string); ok || value == nil {
		return message
	}
	b, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(b)
}

// location is FastAPI's path of a broken field, with dots.
func location(value any) string {
	list, _ := value.([]any)
	var parts []string
	for _, part := range list {
		switch part.(type) {
		case string, json.Number:
			parts = append(parts, fmt.Sprint(part))
		}
	}
	return strings.Join(parts, ".")
}
