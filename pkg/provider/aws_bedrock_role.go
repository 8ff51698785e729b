package provider

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// withRole is a client that signs its requests with the keys of the configured role. AWS
// STS issues them for an hour. The role is assumed with the stored keys when it is needed,
// and again after a refusal, because AWS may have revoked the session.
// Source: AWS Security Token Service API reference, "AssumeRole".
func (b *bedrockUpstream) withRole(stored aws.CredentialsProvider, config bedrockConfig, env environment) *http.Client {
	client := sts.NewFromConfig(awsConfig(config.Region, stored, env.tokens), func(o *sts.Options) {
		o.BaseEndpoint = optional(env.endpoints["aws_sts"])
	})
	role := &sts.AssumeRoleInput{
		RoleArn: &config.RoleARN, ExternalId: optional(config.ExternalID),
		RoleSessionName: aws.String("modelproviders"), // which CloudTrail shows
	}
	return &http.Client{CheckRedirect: env.http.CheckRedirect, Transport: &tokenTransport[aws.Credentials]{
		tokenCache: newTokenCache(func(ctx context.Context) (aws.Credentials, time.Time, error) {
			return assumeRole(ctx, client, role)
		}),
		authenticate: func(req *http.Request, keys aws.Credentials) error {
			hide(req.Context(), keys.SecretAccessKey)
			hide(req.Context(), keys.SessionToken)
			return signBedrock(req, keys, config.Region)
		},
		refusals: []int{http.StatusUnauthorized, http.StatusForbidden}, tables: b.in(stsTables), next: env.http.Transport,
	}}
}

// optional is a parameter of the SDK; nil if the text is empty.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// assumeRole asks for the keys of a session.
func assumeRole(ctx context.Context, client *sts.Client, role *sts.AssumeRoleInput) (aws.Credentials, time.Time, error) {
	out, err := client.AssumeRole(ctx, role)
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
