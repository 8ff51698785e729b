package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"modelproviders/pkg/app"
	"modelproviders/pkg/provider/providertest"
)

const (
	alertsFile    = "../../docs/deploy/prometheus/alerts.yaml"
	dashboardFile = "../../docs/deploy/grafana/modelproviders.json"
)

// promtool runs a command of promtool with that input.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("promtool is not installed; on Debian it is part of the package prometheus")
		}
		t.Skip("promtool is not installed")
	}
	command := exec.CommandContext(t.Context(), "promtool", args...)
	command.Stdin = strings.NewReader(input)
	if output, err := command.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, output)
	}
}

// alerts returns the names of the alerts with their annotations, and all expressions.
func alerts(t *testing.T) (annotations map[string]map[string]string, expressions []string) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	content, err := os.ReadFile(alertsFile)
	if err == nil {
		err = yaml.Unmarshal(content, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	annotations = map[string]map[string]string{}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			annotations[rule.Alert] = rule.Annotations
			expressions = append(expressions, rule.Expr)
		}
	}
	return annotations, expressions
}

// dashboard returns the expressions of the panels, with values for Grafana's variables.
func dashboard(t *testing.T) (expressions []string) {
	t.Helper()
	var file struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ Expr string }
		}
	}
	content, err := os.ReadFile(dashboardFile)
	if err == nil {
		err = json.Unmarshal(content, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*")
	for i, panel := range file.Panels {
		if panel.ID != i+1 || panel.Title == "" {
			t.Errorf("panel %d has the id %d and the title %q", i+1, panel.ID, panel.Title)
		}
		for _, target := range panel.Targets {
			expressions = append(expressions, variables.Replace(target.Expr))
		}
	}
	return expressions
}

// TestAlerts checks the rules, and tests them on series of healthy and failing services.
func TestAlerts(t *testing.T) {
	annotations, _ := alerts(t)
	operations, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, of := range annotations {
		if !strings.Contains(string(operations), "\n### "+name+"\n") {
			t.Errorf("docs/operations.md has no section for the alert %s", name)
		}
		runbook := "docs/operations.md#" + strings.ToLower(name)
		if of["summary"] == "" || of["description"] == "" || of["runbook_url"] != runbook {
			t.Errorf("the alert %s has the annotations %v", name, of)
		}
	}
	promtool(t, "", "check", "rules", alertsFile)
	promtool(t, "", "test", "rules", filepath.Join(filepath.Dir(alertsFile), "alerts_test.yaml"))
}

// TestDashboard checks the expressions of the dashboard: promtool reads them as rules.
func TestDashboard(t *testing.T) {
	var rules []map[string]string
	for i, expression := range dashboard(t) {
		rules = append(rules, map[string]string{"record": fmt.Sprintf("panel:%d", i), "expr": expression})
	}
	content, err := yaml.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", file)
}

// TestMetricsOfAlertsAndDashboard checks that a service that was used has every metric
// that the alerts, the dashboard and docs/metrics.md name, and that the document names
// every metric of the service.
func TestMetricsOfAlertsAndDashboard(t *testing.T) {
	cert, key := certificate(t)
	s := running(t, withMetrics, fourTests, func(c *app.Config) { c.TLSCert, c.TLSKey = cert, key })
	s.use(t, providertest.Start(t, providertest.Custom()))
	metrics := s.scrape(t)
	promtool(t, metrics, "check", "metrics")

	document, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, ofAlerts := alerts(t)
	name := regexp.MustCompile(`\b(modelproviders|go_sql|process)_[a-z_]+`)
	for _, text := range append(slices.Concat(ofAlerts, dashboard(t)), string(document)) {
		for _, used := range name.FindAllString(text, -1) {
			if !strings.Contains(metrics, "\n"+used+"{") && !strings.Contains(metrics, "\n"+used+" ") && !strings.Contains(metrics, "# TYPE "+used+" ") && used != "process_" {
				t.Errorf("there is no metric %s", used)
			}
		}
	}
	for _, metric := range regexp.MustCompile(`(?m)^# TYPE (modelproviders_\w+)`).FindAllStringSubmatch(metrics, -1) {
		if !strings.Contains(string(document), "`"+metric[1]+"`") {
			t.Errorf("docs/metrics.md does not explain %s", metric[1])
		}
	}
}
