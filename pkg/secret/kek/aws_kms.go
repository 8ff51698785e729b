package kek

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go"
	"github.com/tink-crypto/tink-go-awskms/v3/integration/awskms"

	"modelproviders/pkg/secret"
)

func awsKMS() service {
	return service{
		name:    "AWS KMS",
		uri:     regexp.MustCompile(`^aws-kms://(arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)/[\w/-]+)$`),
		example: "aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		limit:   4096,
		dial:    dialAWS,
		explain: explainAWS,
	}
}

var awsRegion = regexp.MustCompile(`^arn:[a-z-]+:kms:([a-z0-9-]+):`)

// dialAWS calls the region of the key.
func dialAWS(ctx context.Context, arn string) (secret.KEK, error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(awsRegion.FindStringSubmatch(arn)[1]))
	if err != nil {
		return nil, fmt.Errorf("could not load the configuration of AWS: %w", err)
	}
	client, ok := cfg.HTTPClient.(*awshttp.BuildableClient) // with AWS_CA_BUNDLE
	if !ok {
		client = awshttp.NewBuildableClient()
	}
	api := kms.NewFromConfig(cfg, func(o *kms.Options) {
		o.HTTPClient = unfollowed(client.GetTransport())
		o.Retryer = aws.NopRetryer{} // see key.call
	})
	return awskms.NewAEADWithContext(ctx, arn, awskms.WithKMS(api))
}

func explainAWS(err error) (said, remedy string) {
	refused, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return "", ""
	}
	return refused.ErrorCode() + ": " + refused.ErrorMessage(), cmp.Or(map[string]string{
		"AccessDeniedException":      remedyAllow + " (kms:Encrypt, kms:Decrypt)",
		"NotFoundException":          remedyName,
		"DisabledException":          remedyState,
		"KMSInvalidStateException":   remedyState,
		"IncorrectKeyException":      remedyOther,
		"InvalidCiphertextException": remedyOther,
		"InvalidKeyUsageException":   remedyOther,
		"ThrottlingException":        remedyLater,
		"LimitExceededException":     remedyLater,
		"KMSInternalException":       remedyLater,
		"DependencyTimeoutException": remedyLater,
		"KeyUnavailableException":    remedyLater,
	}[refused.ErrorCode()], remedyIdentity)
}
