package provider

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// roleSession has the keys of a role, which AWS STS issues for an hour, and sends the
// requests that are signed with them.
// Source: AWS Security Token Service API reference, "AssumeRole".
type roleSession struct {
	*tokenCache[aws.Credentials]
	sts       *sts.Client
	role      sts.AssumeRoleInput
	upstream  *bedrockUpstream
	transport http.RoundTripper
}

// assumeRole returns the keys of the configured role, and the client for the calls that
// are signed with them. The role is assumed with the stored keys when it is needed.
func (b *bedrockUpstream) assumeRole(stored aws.CredentialsProvider, config bedrockConfig, env environment) (*http.Client, aws.CredentialsProvider) {
	s := &roleSession{
		sts: sts.NewFromConfig(awsConfig(config.Region, stored, env.tokens), func(o *sts.Options) {
			o.BaseEndpoint = optional(env.endpoints["aws_sts"])
		}),
		role: sts.AssumeRoleInput{
			RoleArn: &config.RoleARN, ExternalId: optional(config.ExternalID),
			RoleSessionName: aws.String("modelproviders"), // which CloudTrail shows
		},
		upstream: b, transport: env.http.Transport,
	}
	s.tokenCache = newTokenCache(s.assume)
	return &http.Client{Transport: s, CheckRedirect: env.http.CheckRedirect}, s
}

// optional is a parameter of the SDK; nil if the text is empty.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// Retrieve implements [aws.CredentialsProvider]. Its error is a *[Failure].
func (s *roleSession) Retrieve(ctx context.Context) (aws.Credentials, error) {
	keys, err := s.get(ctx)
	if err != nil {
		return aws.Credentials{}, s.upstream.in(stsTables).explain(ctx, "", err)
	}
	hide(ctx, keys.SecretAccessKey)
	hide(ctx, keys.SessionToken)
	return keys, nil
}

// assume asks for a session.
func (s *roleSession) assume(ctx context.Context) (aws.Credentials, time.Time, error) {
	out, err := s.sts.AssumeRole(ctx, &s.role)
	if err != nil || out.Credentials == nil || aws.ToString(out.Credentials.SessionToken) == "" {
		return aws.Credentials{}, time.Time{}, errors.Join(errNoToken, err)
	}
	keys := aws.Credentials{
		AccessKeyID:     aws.ToString(out.Credentials.AccessKeyId),
		SecretAccessKey: aws.ToString(out.Credentials.SecretAccessKey),
		SessionToken:    aws.ToString(out.Credentials.SessionToken),
	}
	return keys, aws.ToTime(out.Credentials.Expiration), nil
}

// RoundTrip sends a request that is signed with the keys of a session. If that is refused,
// the next request assumes the role again, because AWS may have revoked the session.
func (s *roleSession) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := s.transport.RoundTrip(req)
	if err == nil && (res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden) {
		signature := req.Header.Get("Authorization")
		s.drop(func(keys aws.Credentials) bool {
			return strings.Contains(signature, "Credential="+keys.AccessKeyID+"/")
		})
	}
	return res, err
}
