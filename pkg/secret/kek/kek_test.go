package kek_test

import (
	"strings"
	"testing"

	"modelproviders/pkg/secret/kek"
)

func TestOpen(t *testing.T) {
	for _, uri := range []string{
		"aws-kms://arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		"aws-kms://arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/model-providers",
		"gcp-kms://projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/my_key",
		"gcp-kms://projects/example.com:my-project/locations/global/keyRings/r/cryptoKeys/k",
		"hcvault://vault.example.com:8200/transit/keys/my-key",
		"hcvault://[::1]:8200/teams/models/transit/keys/my-key",
	} {
		if _, err := kek.Open(uri); err != nil {
			t.Error(err)
		}
	}
	for _, uri := range []string{
		"",
		"aws-kms://",
		"aws-kms://1234abcd-12ab-34cd-56ef-1234567890ab",
		"aws-kms://arn:aws:kms:eu-west-1:111122223333:key/",
		"aws-kms://arn:aws:s3:::bucket/key",
		"gcp-kms://projects/p/locations/l/keyRings/r",
		"gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
		"gcp-kms://projects/p/locations/l/keyRings/r/cryptoKeys/k:destroy?x=",
		"hcvault://vault.example.com/my-key",
		"hcvault://vault.example.com/transit/keys/../../sys/seal",
		"hcvault://user:password@vault.example.com/transit/keys/k",
		"https://vault.example.com/transit/keys/k",
	} {
		if _, err := kek.Open(uri); err == nil || !strings.Contains(err.Error(), "hcvault://") {
			t.Errorf("%q: error %v, want one with examples", uri, err)
		}
	}
}
