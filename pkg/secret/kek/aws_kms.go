package kek

import (
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
	var refused smithy.APIError
	if !errors.As(err, &refused) {
		return "", ""
	}
	said = refused.ErrorCode() + ": " + refused.ErrorMessage()
	switch refused.ErrorCode() {
	case "NotFoundException":
		return said, remedyName
	case "DisabledException", "KMSInvalidStateException":
		return said, remedyState
	case "IncorrectKeyException", "InvalidCiphertextException", "InvalidKeyUsageException":
		return said, remedyOther
	case "ThrottlingException", "LimitExceededException", "KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException":
		return said, remedyLater
	case "AccessDeniedException":
		return said, remedyAllow + " (kms:Encrypt, kms:Decrypt)"
	}
	return said, "check the credentials of this process"
}
