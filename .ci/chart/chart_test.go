package chart_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// TestLint does what `helm lint --strict` does.
func TestLint(t *testing.T) {
	for name, text := range exampleValues(t) {
		var values map[string]any
		if err := yaml.Unmarshal([]byte(text), &values); err != nil {
			t.Fatal(err)
		}
		for _, message := range lint.RunAll(chartDir, values, "test").Messages {
			if message.Severity >= support.WarningSev {
				t.Errorf("%s: %v", name, message)
			}
		}
	}
}

// TestPods: the pods have no more rights than they need, and the kubelet waits longer
// for them than a stop can take.
func TestPods(t *testing.T) {
	for name, values := range exampleValues(t) {
		t.Run(name, func(t *testing.T) {
			found := objects(t, values)
			pod := only[*appsv1.Deployment](t, found).Spec.Template.Spec
			if is := pod.SecurityContext; !*is.RunAsNonRoot || *is.RunAsUser != 65532 || *is.FSGroup != 65532 ||
				is.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
				t.Errorf("the pod's security context is %+v", is)
			}
			container := pod.Containers[0]
			if is := container.SecurityContext; *is.AllowPrivilegeEscalation || !*is.ReadOnlyRootFilesystem ||
				!slices.Equal(is.Capabilities.Drop, []corev1.Capability{"ALL"}) || is.Capabilities.Add != nil {
				t.Errorf("the container's security context is %+v", is)
			}
			if *pod.EnableServiceLinks || *pod.AutomountServiceAccountToken {
				t.Error("the pod gets service links, or a token of its service account")
			}
			if account := only[*corev1.ServiceAccount](t, found); pod.ServiceAccountName != account.Name || *account.AutomountServiceAccountToken {
				t.Errorf("the pod's service account is %s, and there is %+v", pod.ServiceAccountName, account)
			}
			delay, err := time.ParseDuration(environment(container)["MODELPROVIDERS_SHUTDOWN_DELAY"])
			if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; err != nil || grace != delay+30*time.Second {
				t.Errorf("a stop may take %s, with a delay of %s: %v", grace, delay, err)
			}
			if container.Resources.Limits.Memory().IsZero() || container.Resources.Requests.Cpu().IsZero() {
				t.Errorf("the container's resources are %+v", container.Resources)
			}
		})
	}
}

// environment returns the variables of a container with a value.
func environment(container corev1.Container) map[string]string {
	values := map[string]string{}
	for _, variable := range container.Env {
		values[variable.Name] = variable.Value
	}
	return values
}

// TestSecrets: secrets are read-only files, which no other user can read.
func TestSecrets(t *testing.T) {
	found := objects(t, exampleValues(t)["postgres"])
	pod := only[*appsv1.Deployment](t, found).Spec.Template.Spec
	container := pod.Containers[0]
	for _, variable := range container.Env {
		ours := strings.HasPrefix(variable.Name, "MODELPROVIDERS_")
		if ours && (variable.ValueFrom != nil || strings.Contains(variable.Value, "postgres://")) {
			t.Errorf("%s contains a secret", variable.Name)
		}
	}
	for _, mount := range container.VolumeMounts {
		if mount.Name == "secrets" && !mount.ReadOnly {
			t.Error("the secrets can be written")
		}
	}
	volume := pod.Volumes[slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "secrets" })]
	if *volume.Projected.DefaultMode != 0o440 {
		t.Errorf("the secrets have the mode %o", *volume.Projected.DefaultMode)
	}
	files := map[string]string{}
	for _, source := range volume.Projected.Sources {
		for _, item := range source.Secret.Items {
			files["/secrets/"+item.Path] = source.Secret.Name
		}
	}
	set := environment(container)
	for variable, secret := range map[string]string{
		"MODELPROVIDERS_DATABASE_URL_FILE": "modelproviders-database", "MODELPROVIDERS_KEYSET": "modelproviders-keyset",
		"MODELPROVIDERS_TLS_CERT": "modelproviders-tls", "MODELPROVIDERS_TLS_KEY": "modelproviders-tls",
		"MODELPROVIDERS_WEBHOOK_SECRET_FILE": "modelproviders-webhook",
	} {
		if files[set[variable]] != secret {
			t.Errorf("%s is %q, and the files are %v", variable, set[variable], files)
		}
	}
}

// TestKEK: pods get the key of the KMS, and their account the identity that may use it.
func TestKEK(t *testing.T) {
	const key, role = "aws-kms://arn:aws:kms:eu-west-1:111122223333:alias/models", "arn:aws:iam::111122223333:role/models"
	found := objects(t, "keyset: {kek: '"+key+"'}\nserviceAccount: {annotations: {eks.amazonaws.com/role-arn: '"+role+"'}}")
	pod := only[*appsv1.Deployment](t, found).Spec.Template.Spec
	if got := environment(pod.Containers[0])["MODELPROVIDERS_KEYSET_KEK"]; got != key {
		t.Errorf("the key is %q", got)
	}
	account := only[*corev1.ServiceAccount](t, found)
	if account.Name != pod.ServiceAccountName || account.Annotations["eks.amazonaws.com/role-arn"] != role {
		t.Errorf("the account of the pods is %s; there is %+v", pod.ServiceAccountName, account.ObjectMeta)
	}
	if _, set := environment(only[*appsv1.Deployment](t, objects(t, "")).Spec.Template.Spec.Containers[0])["MODELPROVIDERS_KEYSET_KEK"]; set {
		t.Error("there is a key without keyset.kek")
	}
}

// TestSeveralReplicas: they are replaced one by one, and never all evicted at once.
func TestSeveralReplicas(t *testing.T) {
	found := objects(t, exampleValues(t)["postgres"])
	deployment := only[*appsv1.Deployment](t, found)
	if update := deployment.Spec.Strategy.RollingUpdate; *deployment.Spec.Replicas != 3 || update.MaxUnavailable.IntValue() != 0 {
		t.Errorf("%d replicas are updated by %+v", *deployment.Spec.Replicas, update)
	}
	budget := only[*policyv1.PodDisruptionBudget](t, found)
	if budget.Spec.MaxUnavailable.IntValue() != 1 || !selects(budget.Spec.Selector.MatchLabels, deployment) {
		t.Errorf("the disruption budget is %+v", budget.Spec)
	}
	if claims := every[*corev1.PersistentVolumeClaim](found); len(claims) > 0 {
		t.Error("there is a volume, although the data is in PostgreSQL")
	}
}

func selects(selector map[string]string, deployment *appsv1.Deployment) bool {
	for name, value := range selector {
		if deployment.Spec.Template.Labels[name] != value {
			return false
		}
	}
	return len(selector) > 0
}

// TestSQLite: one process at a time has the volume.
func TestSQLite(t *testing.T) {
	found := objects(t, "")
	deployment := only[*appsv1.Deployment](t, found)
	claim := only[*corev1.PersistentVolumeClaim](t, found)
	if *deployment.Spec.Replicas != 1 || deployment.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType {
		t.Errorf("%d replicas are updated by %s", *deployment.Spec.Replicas, deployment.Spec.Strategy.Type)
	}
	if volume := deployment.Spec.Template.Spec.Volumes[0].PersistentVolumeClaim; volume.ClaimName != claim.Name {
		t.Errorf("the pod mounts %s, but the claim is %s", volume.ClaimName, claim.Name)
	}
	if budgets := every[*policyv1.PodDisruptionBudget](found); len(budgets) > 0 {
		t.Error("a disruption budget of one replica makes its node impossible to drain")
	}
}

func TestRefusedValues(t *testing.T) {
	for values, says := range map[string]string{
		"replicas: 2":                      "replicas",
		"database: {existingSecret: db}":   "keyset",
		"keyset: {kek: alias/models}":      "kek",
		"basePath: api":                    "basePath",
		"basePath: /api/":                  "basePath",
		"replica: 1":                       "replica",
		"shutdownDelaySeconds: 5s":         "shutdownDelaySeconds",
		"metrics: {port: 8080}":            "port",
		"keyset: {secret: modelproviders}": "secret",
		"webhook: {url: 'http://a.example.com', existingSecret: s}": "url",
		"webhook: {url: 'https://a.example.com'}":                   "existingSecret",
		"webhook: {existingSecret: s}":                              "existingSecret",
	} {
		if _, err := render(values); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", values, err)
		}
	}
}

// TestEndpoints: services, ingress, policy and monitor lead to the ports of the pod.
func TestEndpoints(t *testing.T) {
	found := objects(t, exampleValues(t)["postgres"])
	deployment := only[*appsv1.Deployment](t, found)
	ports := map[string]int32{}
	for _, port := range deployment.Spec.Template.Spec.Containers[0].Ports {
		ports[port.Name] = port.ContainerPort
	}
	services := map[string]string{} // port by name of the service
	for _, service := range every[*corev1.Service](found) {
		if port := service.Spec.Ports[0].TargetPort.StrVal; ports[port] == 0 || !selects(service.Spec.Selector, deployment) {
			t.Errorf("the service %s leads to %s", service.Name, port)
		}
		services[service.Name] = service.Spec.Ports[0].Name
	}
	rule := only[*networkingv1.Ingress](t, found).Spec.Rules[0].HTTP.Paths[0]
	if to := rule.Backend.Service; services[to.Name] != "http" || to.Port.Name != "http" || rule.Path != "/models" {
		t.Errorf("the ingress leads from %s to %+v", rule.Path, to)
	}
	policy := only[*networkingv1.NetworkPolicy](t, found)
	for i, name := range []string{"http", "metrics"} {
		if rule := policy.Spec.Ingress[i]; rule.Ports[0].Port.StrVal != name || len(rule.From) != 1 {
			t.Errorf("the policy for %s is %+v", name, rule)
		}
	}
	monitor := only[*monitoringv1.ServiceMonitor](t, found)
	monitored := slices.DeleteFunc(every[*corev1.Service](found), func(s *corev1.Service) bool {
		for name, value := range monitor.Spec.Selector.MatchLabels {
			if s.Labels[name] != value {
				return true
			}
		}
		return false
	})
	if len(monitored) != 1 || monitored[0].Spec.Ports[0].Name != monitor.Spec.Endpoints[0].Port {
		t.Errorf("%d services are monitored at %+v", len(monitored), monitor.Spec.Endpoints[0])
	}
}

// TestNoMetadata: the policy excludes the addresses that the program itself never
// calls, and no other rule allows them.
func TestNoMetadata(t *testing.T) {
	source, err := os.ReadFile("../../pkg/egress/policy.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "func metadata()")
	body, _, _ = strings.Cut(body, "\n}")
	var refused []string
	for _, match := range regexp.MustCompile(`MustParsePrefix\("(.*?)"\)`).FindAllStringSubmatch(body, -1) {
		refused = append(refused, match[1])
	}
	var excluded []string
	for _, rule := range only[*networkingv1.NetworkPolicy](t, objects(t, exampleValues(t)["postgres"])).Spec.Egress {
		for _, to := range rule.To {
			if to.IPBlock != nil {
				excluded = append(excluded, to.IPBlock.Except...)
			}
		}
	}
	slices.Sort(refused)
	slices.Sort(excluded)
	if len(refused) == 0 || !slices.Equal(refused, excluded) {
		t.Errorf("the policy excludes %v, the program %v", excluded, refused)
	}
}

// TestEverythingIsRendered: the values for CI cover all templates.
func TestEverythingIsRendered(t *testing.T) {
	seen := map[string]bool{}
	for _, values := range exampleValues(t) {
		for _, object := range objects(t, values) {
			seen[kind(object)] = true
		}
	}
	for _, want := range []string{"Deployment", "Service", "ServiceAccount", "PersistentVolumeClaim", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "ServiceMonitor"} {
		if !seen[want] {
			t.Errorf("no values render a %s", want)
		}
	}
}

func kind(object runtime.Object) string { return object.GetObjectKind().GroupVersionKind().Kind }
