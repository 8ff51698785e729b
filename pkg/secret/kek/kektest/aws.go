package kektest

import (
	"fmt"
	"net/http"
	"testing"

	"modelproviders/pkg/provider/providertest"
)

const (
	awsRegion = "eu-west-1"
	awsARN    = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	awsID     = "AKIAFAKEKMSKEY000001"
	awsSecret = "Fake/KMS+Secret/0123456789abcdef/abcdefgh"
)

// aws is a fake of AWS KMS. It verifies signatures.
// Source: AWS KMS API reference, "Encrypt", "Decrypt" and "Common errors".
func aws() Fake {
	return Fake{
		Name: "AWS KMS",
		tls:  true,
		start: func(t testing.TB, s *Server) (string, []string) {
			none := s.Write(t, "aws.ini", nil)
			return "aws-kms://" + awsARN, []string{
				"AWS_ACCESS_KEY_ID=" + awsID, "AWS_SECRET_ACCESS_KEY=" + awsSecret, "AWS_SESSION_TOKEN=",
				"AWS_ENDPOINT_URL_KMS=" + s.url, "AWS_CA_BUNDLE=" + s.ca, "AWS_EC2_METADATA_DISABLED=true",
				"AWS_CONFIG_FILE=" + none, "AWS_SHARED_CREDENTIALS_FILE=" + none, "AWS_PROFILE=", "AWS_REGION=us-east-1",
			}
		},
		request: awsRequest,
		answer:  answerAWS,
		refusal: func(_ *Server, mode Mode, message string) answer { return refuseAWS(mode, message) },
	}
}

func awsRequest(_ *Server, r *providertest.Request) (operation, error) {
	if r.Method != http.MethodPost || r.Path != "/" || r.Query != "" {
		return operation{}, fmt.Errorf("the query is %q", r.Query)
	}
	if err := wrong(r, "Content-Type", "application/x-amz-json-1.1"); err != nil {
		return operation{}, err
	}
	if err := providertest.CheckSigV4(r, awsID, awsSecret, awsRegion, "kms"); err != nil {
		return operation{}, err
	}
	var body struct {
		KeyID                     string `json:"KeyId"`
		Plaintext, CiphertextBlob []byte
	}
	if err := decodeStrictly(r, &body); err != nil {
		return operation{}, err
	}
	if body.KeyID != awsARN {
		return operation{}, fmt.Errorf("the key is %q", body.KeyID)
	}
	switch target := r.Header.Get("X-Amz-Target"); {
	case target == "TrentService.Encrypt" && len(body.Plaintext) > 0 && body.CiphertextBlob == nil:
		return operation{encrypt: true, data: body.Plaintext}, nil
	case target == "TrentService.Decrypt" && len(body.CiphertextBlob) > 0 && body.Plaintext == nil:
		return operation{data: body.CiphertextBlob}, nil
	default:
		return operation{}, fmt.Errorf("the target is %q, with %d bytes of plaintext and %d of ciphertext", target, len(body.Plaintext), len(body.CiphertextBlob))
	}
}

func answerAWS(_ *Server, op operation, result []byte, opened bool) answer {
	switch {
	case !opened:
		return awsError(http.StatusBadRequest, "InvalidCiphertextException", "")
	case op.encrypt && len(op.data) > 4096:
		return awsError(http.StatusBadRequest, "ValidationException", "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096")
	case op.encrypt:
		return awsAnswer(http.StatusOK, map[string]any{"CiphertextBlob": result, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "KeyId": awsARN})
	}
	return awsAnswer(http.StatusOK, map[string]any{"Plaintext": result, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "KeyId": awsARN})
}

func refuseAWS(mode Mode, message string) answer {
	switch mode {
	case Denied:
		return awsError(http.StatusBadRequest, "AccessDeniedException", "User: arn:aws:iam::111122223333:user/models is not authorized to perform: kms:Decrypt on resource: "+awsARN+" because no identity-based policy allows the kms:Decrypt action")
	case Missing:
		return awsError(http.StatusBadRequest, "NotFoundException", "Key '"+awsARN+"' does not exist")
	case Disabled:
		return awsError(http.StatusBadRequest, "DisabledException", awsARN+" is disabled.")
	case Throttled:
		return awsError(http.StatusBadRequest, "ThrottlingException", "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.")
	}
	return awsError(http.StatusInternalServerError, "KMSInternalException", message)
}

func awsError(status int, code, message string) answer {
	return awsAnswer(status, map[string]any{"__type": code, "message": message})
}

func awsAnswer(status int, body any) answer {
	return answer{status, map[string]string{
		"Content-Type": "application/x-amz-json-1.1", "X-Amzn-Requestid": "11111111-2222-3333-4444-555555555555", "Cache-Control": "no-cache, no-store, must-revalidate, private",
	}, body}
}
