package tracing

import (
	"crypto/x509"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// wanted reports whether the variables switch tracing on: by an exporter, or by an
// endpoint.
func wanted() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	hasEndpoint := slices.ContainsFunc(otlp("ENDPOINT"), func(name string) bool { return valueOf(name) != "" })
	exporter := strings.ToLower(os.Getenv("OTEL_TRACES_EXPORTER"))
	return exporter == "otlp" || exporter != "none" && hasEndpoint
}

func valueOf(variable string) string { return strings.TrimSpace(os.Getenv(variable)) }

// rule is what the values of some variables must be. The SDK would report others to
// a handler that is global, and use its defaults.
type rule struct {
	variables []string
	must      string
	ok        func(value string) bool
}

// switches are the rules of the variables that switch tracing on or off.
func switches() []rule {
	return []rule{
		{[]string{"OTEL_SDK_DISABLED"}, "must be true or false", oneOf("true", "false")},
		{[]string{"OTEL_TRACES_EXPORTER"}, "must be otlp or none", oneOf("otlp", "none")},
	}
}

// rules are the rules of the other variables, which matter only with tracing on.
func rules() []rule {
	return []rule{
		{otlp("ENDPOINT"), "must be a URL such as http://collector:4318", isURL},
		{otlp("PROTOCOL"), "must be http/protobuf or http/json; grpc is not supported, so use the port of the collector for OTLP over HTTP, which is usually 4318", oneOf("http/protobuf", "http/json")},
		{otlp("HEADERS"), "must be name=value pairs, comma-separated, with URL-encoded values", isPairs},
		{otlp("COMPRESSION"), "must be gzip or none", oneOf("gzip", "none")},
		{otlp("INSECURE"), "must be true or false", oneOf("true", "false")},
		{otlp("CERTIFICATE"), "must be a PEM file with certificates", isCertificates},
		{append(otlp("CLIENT_CERTIFICATE"), otlp("CLIENT_KEY")...), "must be a file that can be read", isFile},
		{append(otlp("TIMEOUT"), "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT"), "must be a number of milliseconds", isPositive},
		{[]string{"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"}, "must be a number greater than 0", isPositive},
		{[]string{"OTEL_TRACES_SAMPLER"}, "must be always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio",
			oneOf("always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio")},
		{[]string{"OTEL_TRACES_SAMPLER_ARG"}, "must be a number from 0 to 1", isRatio},
	}
}

// otlp returns the variables of an OTLP setting, for all signals and for traces.
func otlp(name string) []string {
	return []string{"OTEL_EXPORTER_OTLP_" + name, "OTEL_EXPORTER_OTLP_TRACES_" + name}
}

// CheckEnvironment returns a line for each variable OTEL_* whose value is not valid. It
// does not contain the values, which may be secret.
func CheckEnvironment() (wrong []string) {
	all := switches()
	if wanted() {
		all = append(all, rules()...)
	}
	for _, r := range all {
		for _, variable := range r.variables {
			if value := valueOf(variable); value != "" && !r.ok(value) {
				wrong = append(wrong, variable+": "+r.must)
			}
		}
	}
	return wrong
}

func oneOf(values ...string) func(string) bool {
	return func(value string) bool { return slices.Contains(values, strings.ToLower(value)) }
}

func isURL(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func isPairs(value string) bool {
	for pair := range strings.SplitSeq(value, ",") {
		name, given, found := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(given); !found || strings.TrimSpace(name) == "" || err != nil {
			return false
		}
	}
	return true
}

func isFile(path string) bool {
	_, err := os.ReadFile(filepath.Clean(path))
	return err == nil
}

func isCertificates(path string) bool {
	content, err := os.ReadFile(filepath.Clean(path))
	return err == nil && x509.NewCertPool().AppendCertsFromPEM(content)
}

func isPositive(value string) bool {
	number, err := strconv.Atoi(value)
	return err == nil && number > 0
}

func isRatio(value string) bool {
	number, err := strconv.ParseFloat(value, 64)
	return err == nil && number >= 0 && number <= 1
}
