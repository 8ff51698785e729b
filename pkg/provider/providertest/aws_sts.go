package providertest

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	stsPath       = "/sts"
	stsRole       = "arn:aws:iam::210987654321:role/bedrock"
	stsExternalID = "fake-external-id"
)

// STS is a fake of AWS STS. It verifies signatures, and issues sessions of one role to the
// user of one access key. It is safe for concurrent use.
// Source: AWS Security Token Service API reference, "AssumeRole".
type STS struct {
	key awsKey

	mu       sync.Mutex
	sessions map[string]awsKey // by the id of the key
	assumed  int
	lifetime time.Duration
	refusal  *Answer
}

// NewSTS makes an STS whose sessions last an hour.
func NewSTS() *STS {
	return &STS{key: bedrockKey(), sessions: map[string]awsKey{}, lifetime: time.Hour}
}

// Bedrock is a fake of Amazon Bedrock that accepts only the sessions of s, which is at the
// same address.
func (s *STS) Bedrock() Fake {
	fake := bedrockFake(s.key)
	fake.Variant = "role"
	fake.Settings = func(string) (credentials, config map[string]any) {
		return s.key.credentials(), map[string]any{"region": bedrockRegion, "role_arn": stsRole, "external_id": stsExternalID}
	}
	fake.Endpoints = func(url string) string { return "aws_bedrock=" + url + ",aws_sts=" + url + stsPath }
	fake.Auxiliary = s.answer
	fake.Authentic = func(r *Request) bool {
		session := s.session(r.Header.Get("Authorization"))
		return session.id != "" && checkSigV4(r, session, bedrockRegion, "bedrock", time.Now()) == nil
	}
	return fake
}

// SetLifetime makes later sessions last this long.
func (s *STS) SetLifetime(lifetime time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lifetime = lifetime
}

// Refuse makes STS answer all requests so; nil: no longer.
func (s *STS) Refuse(answer *Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = answer
}

// Revoke makes Bedrock refuse all sessions of the past.
func (s *STS) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

// Assumed is how often the role was assumed.
func (s *STS) Assumed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.assumed
}

// Secrets are the secrets of the sessions that are valid.
func (s *STS) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var secrets []string
	for _, key := range s.sessions {
		secrets = append(secrets, key.secret, key.token)
	}
	return secrets
}

// session is the session that signed a request; the zero value if it is unknown.
func (s *STS) session(authorization string) awsKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := sigV4Header.FindStringSubmatch(authorization)
	if parts == nil {
		return awsKey{}
	}
	return s.sessions[parts[1]]
}

func (s *STS) answer(r *Request) (Answer, bool) {
	if r.Path != stsPath {
		return Answer{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refusal != nil {
		return *s.refusal, true
	}
	if refusal, refused := s.check(r); refused {
		return refusal, true
	}
	return s.assume(), true
}

// check refuses requests as STS does: first those whose signature it does not accept, then
// those that are not allowed to assume the role, for whatever reason.
func (s *STS) check(r *Request) (refusal Answer, refused bool) {
	if !strings.Contains(r.Header.Get("Authorization"), "Credential="+s.key.id+"/") {
		return STSError(403, "InvalidClientTokenId", "The security token included in the request is invalid."), true
	}
	if err := checkSigV4(r, s.key, bedrockRegion, "sts", time.Now()); err != nil {
		return STSError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."), true
	}
	form, err := url.ParseQuery(string(r.Body))
	switch {
	case err != nil || r.Method != http.MethodPost || r.Query != "" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded":
		return STSError(400, "MalformedInput", "The request is not a form."), true
	case form.Get("Action") != "AssumeRole" || form.Get("Version") != "2011-06-15":
		return STSError(400, "InvalidAction", "Could not find operation "+form.Get("Action")+" for version "+form.Get("Version")), true
	case form.Get("RoleSessionName") != "modelproviders":
		return STSError(400, "ValidationError", "The session name is "+form.Get("RoleSessionName")), true
	case form.Get("RoleArn") != stsRole || form.Get("ExternalId") != stsExternalID:
		return STSError(403, "AccessDenied", "User: arn:aws:iam::123456789012:user/app is not authorized to perform: sts:AssumeRole on resource: "+form.Get("RoleArn")), true
	}
	return Answer{}, false
}

// assume issues a session.
func (s *STS) assume() Answer {
	s.assumed++
	key := awsKey{
		id:     fmt.Sprintf("ASIAFAKESESSION%05d", s.assumed),
		secret: "Derived/Secret+" + rand.Text(),
		token:  "FwoGZXIvYXdzEFake/Derived+Token/" + rand.Text() + rand.Text() + "==",
	}
	s.sessions[key.id] = key
	type credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	return xmlAnswer(http.StatusOK, struct {
		XMLName     xml.Name    `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
		Credentials credentials `xml:"AssumeRoleResult>Credentials"`
		Role        string      `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
		RequestID   string      `xml:"ResponseMetadata>RequestId"`
	}{
		Credentials: credentials{key.id, key.secret, key.token, time.Now().Add(s.lifetime).UTC().Format(time.RFC3339)},
		Role:        "arn:aws:sts::210987654321:assumed-role/bedrock/modelproviders", RequestID: RequestID,
	})
}

// STSError is an error as AWS STS answers with one.
func STSError(status int, code, message string) Answer {
	return xmlAnswer(status, struct {
		XMLName   xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Type: "Sender", Code: code, Message: message, RequestID: RequestID})
}

func xmlAnswer(status int, value any) Answer {
	body, err := xml.MarshalIndent(value, "", "  ")
	if err != nil {
		panic(err)
	}
	header := Headers("X-Amzn-Requestid", RequestID, "Content-Type", "text/xml")
	return Answer{Status: status, Header: header, Body: body}
}
