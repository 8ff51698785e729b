package main

import (
	_ "embed" // for base.yaml
	"fmt"

	"go.yaml.in/yaml/v4"

	"modelproviders/pkg/provider"
)

//go:embed base.yaml
var base []byte

// finish makes the description of what swag read from the annotations. The
// steps build on each other; each is a function with its reason.
func finish(doc object, shapes map[string]shape, types []provider.Type) error {
	var rest object
	if err := yaml.Unmarshal(base, &rest); err != nil {
		return fmt.Errorf("base.yaml: %w", err)
	}
	enums := enumNames(rest)
	delete(doc, "externalDocs") // swag writes an empty one, which is not valid
	merge(doc, rest)
	settings, err := settingsSchemas(types)
	if err != nil {
		return err
	}
	merge(at(doc, "components", "schemas"), settings)

	for _, step := range []func(object) error{
		func(doc object) error { return applyShapes(doc, shapes) },
		resolveReferences,
		describeIntegers,
		func(doc object) error { return shareEnums(doc, enums) },
		boundChoices,
		describeSentBack,
		describeParameters,
		describeRequests,
		describeEvents,
		describeAnswers,
		closeRequests,
		giveExamples,
		checkComplete,
	} {
		if err := step(doc); err != nil {
			return err
		}
	}
	return nil
}
