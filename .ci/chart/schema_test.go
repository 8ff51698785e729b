package chart_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

// schemas is the folder with the OpenAPI descriptions of a Kubernetes API server. The
// module kubectl-validate contains them; its code is not used.
var schemas = sync.OnceValues(func() (string, error) {
	const module = "sigs.k8s.io/kubectl-validate"
	if output, err := exec.Command("go", "mod", "download", module).CombinedOutput(); err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", module, err, output)
	}
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	return filepath.Join(strings.TrimSpace(string(dir)), "pkg/openapiclient/builtins/1.30"), err
})

// validate validates an object with the schema of its kind, which knows the required
// fields. Kinds that Kubernetes itself does not have are passed over.
func validate(document string) error {
	var object map[string]any
	if err := yaml.Unmarshal([]byte(document), &object); err != nil {
		return err
	}
	schema, err := schemaOf(fmt.Sprint(object["apiVersion"]), fmt.Sprint(object["kind"]))
	if schema == nil || err != nil {
		return err
	}
	return schema.Validate(object)
}

func schemaOf(version, kind string) (*jsonschema.Schema, error) {
	folder := "api"
	if strings.Contains(version, "/") {
		folder = "apis"
	}
	if strings.HasPrefix(version, "monitoring.coreos.com/") {
		return nil, nil
	}
	dir, err := schemas()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, folder, version+".json")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	description, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(path, description); err != nil {
		return nil, err
	}
	group, version := filepath.Split(version)
	for name, schema := range description.(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any) {
		kinds, _ := schema.(map[string]any)["x-kubernetes-group-version-kind"].([]any)
		if slices.ContainsFunc(kinds, func(k any) bool {
			of := k.(map[string]any)
			return of["kind"] == kind && of["version"] == version && of["group"] == strings.TrimSuffix(group, "/")
		}) {
			return compiler.Compile(path + "#/components/schemas/" + name)
		}
	}
	return nil, fmt.Errorf("%s has no schema of %s", path, kind)
}
