// Package chart_test checks the Helm chart in docs/deploy/helm. It is a module of its
// own, so that Helm and Kubernetes are no dependencies of the program.
package chart_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const chartDir = "../../docs/deploy/helm"

// exampleValues returns the values for CI by the name of their file.
func exampleValues(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("found no values to render the chart with: ", err)
	}
	values := map[string]string{"defaults": ""}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		values[strings.TrimSuffix(filepath.Base(file), "-values.yaml")] = string(text)
	}
	return values
}

// render renders the chart as `helm template` does, and returns its documents by the
// name of their template.
func render(values string) (map[string]string, error) {
	var own map[string]any
	if err := yaml.UnmarshalStrict([]byte(values), &own); err != nil {
		return nil, err
	}
	chart, err := loader.Load(chartDir)
	if err != nil {
		return nil, err
	}
	release := common.ReleaseOptions{Name: "models", Namespace: "test", IsInstall: true}
	all, err := util.ToRenderValues(chart, own, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Render(chart, all)
}

// objects renders the chart and decodes its objects strictly: an unknown or duplicate
// field, or a value of the wrong type, is an error. It also validates them.
func objects(t *testing.T, values string) []runtime.Object {
	t.Helper()
	templates, err := render(values)
	if err != nil {
		t.Fatal(err)
	}
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	if err := monitoringv1.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	decoder := serializer.NewCodecFactory(kinds, serializer.EnableStrict).UniversalDeserializer()
	var found []runtime.Object
	for name, text := range templates {
		if strings.HasSuffix(name, "NOTES.txt") {
			continue
		}
		for document := range strings.SplitSeq(text, "\n---\n") {
			if strings.TrimSpace(document) == "" {
				continue
			}
			object, _, err := decoder.Decode([]byte(document), nil, nil)
			if err == nil {
				err = validate(document)
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, document)
			}
			found = append(found, object)
		}
	}
	return found
}

// only returns the object of a type, of which there must be exactly one.
func only[T runtime.Object](t *testing.T, found []runtime.Object) T {
	t.Helper()
	all := every[T](found)
	if len(all) != 1 {
		t.Fatalf("found %d objects of the type %s", len(all), fmt.Sprintf("%T", *new(T)))
	}
	return all[0]
}

// every returns the objects of a type.
func every[T runtime.Object](found []runtime.Object) []T {
	var all []T
	for _, object := range found {
		if typed, ok := object.(T); ok {
			all = append(all, typed)
		}
	}
	return all
}
