package bench_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// asChild makes the test binary be the floor or the upstream: each has a process
// of its own, as the product has.
const asChild = "MODELPROVIDERS_BENCH_CHILD"

func TestMain(m *testing.M) {
	var err error
	switch os.Getenv(asChild) {
	case "floor":
		err = serveFloor(os.Args[1], os.Args[2])
	case "hostile":
		err = serveHostile()
	case "relay":
		err = serveRelay(os.Args[1])
	case "upstream":
		err = serveUpstream()
	default:
		os.Exit(m.Run())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// serveAsChild prints where it serves, and ends when the parent is gone.
func serveAsChild(handler http.Handler) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return (&http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}).Serve(listener)
}

// startChild starts the test binary as a server, which ends with the benchmark.
func startChild(b testing.TB, what string, args ...string) (url string, pid int) {
	b.Helper()
	command := exec.Command(os.Args[0], args...)
	command.Env, command.Stderr = append(os.Environ(), asChild+"="+what), os.Stderr
	stdin, errIn := command.StdinPipe()
	stdout, errOut := command.StdoutPipe()
	if err := errors.Join(errIn, errOut, command.Start()); err != nil {
		b.Fatalf("start the %s: %v", what, err)
	}
	b.Cleanup(func() {
		if err := errors.Join(stdin.Close(), command.Wait()); err != nil {
			b.Errorf("the %s ended with: %v", what, err)
		}
	})
	url, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatalf("the %s does not serve: %v", what, err)
	}
	return strings.TrimSpace(url), command.Process.Pid
}

// build builds the product as an operator would.
func build(b testing.TB) (program string) {
	b.Helper()
	program = filepath.Join(b.TempDir(), "modelproviders")
	command := exec.Command("go", "build", "-o", program, "modelproviders/cmd/modelproviders")
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("build the product: %v\n%s", err, out)
	}
	return program
}

// product is the program, serving.
type product struct {
	url  string
	pid  int
	log  string       // the file that it logs to
	stop func() error // ends it; the error says how it ended
}

var servingLine = regexp.MustCompile(`msg=serving url=(\S+)`)

// startProduct starts the product, which ends with the benchmark. It logs to a
// file and has no bounds on tests.
func startProduct(b testing.TB, program, dataDir, databaseURL string) *product {
	b.Helper()
	log, err := os.CreateTemp(b.TempDir(), "log-")
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	command := exec.Command(program, "--addr", "127.0.0.1:0", "--data-dir", dataDir, "--database-url", databaseURL,
		"--allow-upstreams", "127.0.0.1/32", "--rate-tests", "0", "--tests-in-flight", "0", "--rate-reveals", "0")
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	command.Stderr = log
	if err := command.Start(); err != nil {
		b.Fatal("start the product: ", err)
	}
	p := &product{pid: command.Process.Pid, log: log.Name()}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	// Its guard ends the product when told to, and when this process is gone.
	guard := exec.Command("sh", "-c", `cat >/dev/null; kill -INT "$0"`, strconv.Itoa(p.pid))
	stdin, err := guard.StdinPipe()
	if err = errors.Join(err, guard.Start()); err != nil {
		b.Fatal("start the guard of the product: ", err)
	}
	p.stop = sync.OnceValue(func() error {
		_ = errors.Join(stdin.Close(), guard.Wait()) // the product may have ended
		return <-ended
	})
	b.Cleanup(func() {
		if err := p.stop(); err != nil {
			b.Errorf("the product ended with: %v\n%s", err, p.tail())
		}
	})
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && len(ended) == 0; time.Sleep(5 * time.Millisecond) {
		if found := servingLine.FindSubmatch(p.tail()); found != nil {
			p.url = string(found[1])
			return p
		}
	}
	b.Fatalf("the product does not serve; it said:\n%s", p.tail())
	return nil
}

// tail is the end of the log.
func (p *product) tail() []byte {
	text, _ := os.ReadFile(p.log) // nothing said is answer enough
	return text[max(0, len(text)-4000):]
}

// memory reads a line of /proc/PID/status, such as VmRSS, in MB; where there is
// none it is 0.
func memory(pid int, line string) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for status := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(status, line+":"); ok {
			kilobytes, _ := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kilobytes / 1024
		}
	}
	return 0
}
