package apitest

import (
	"errors"
	"regexp"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// formats are those that the service promises more of than JSON Schema does.
func formats() []*jsonschema.Format {
	uuid7 := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	return []*jsonschema.Format{
		{Name: "uuid", Validate: ofText(func(text string) error {
			if !uuid7.MatchString(text) {
				return errors.New("is no UUIDv7 in lower case")
			}
			return nil
		})},
		{Name: "date-time", Validate: ofText(func(text string) error {
			if t, err := time.Parse(time.RFC3339Nano, text); err != nil || t.Format("2006-01-02T15:04:05.000Z") != text {
				return errors.New("is no time in UTC with milliseconds")
			}
			return nil
		})},
	}
}

// ofText lets pass what is no text: of that the type says what is right.
func ofText(check func(string) error) func(any) error {
	return func(v any) error {
		if text, ok := v.(string); ok {
			return check(text)
		}
		return nil
	}
}
