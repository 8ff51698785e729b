package bench_test

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

var (
	changeReaders = flag.Int("change-readers", 100, "how many streams BenchmarkChanges opens in each of its workspaces; 100 at most")
	changeTime    = flag.Duration("change-time", 20*time.Second, "how long BenchmarkChanges makes changes")
)

const (
	changeWorkspaces = 10
	changesPerSecond = 20 // each is told to all readers of a workspace
)

// BenchmarkChanges opens 1,000 streams of changes, in ten workspaces, and measures the
// memory of each, and how long changes take to arrive at all of them. The floor of SQLite
// tells its readers without a database, that of PostgreSQL with a notification.
func BenchmarkChanges(b *testing.B) {
	program := build(b)
	var rows []string
	defer func() { fmt.Printf("\n\n%s\n", strings.Join(rows, "\n")) }()
	rows = append(rows, fmt.Sprintf("%d streams of changes, %d changes a second\n", changeWorkspaces**changeReaders, changesPerSecond))
	rows = append(rows, "| | memory a stream, KB | write p50, ms | p99 | from the start of the write to the event p50 | p99 | from its answer p50 | p99 |\n|---|--:|--:|--:|--:|--:|--:|--:|")
	b.Run("SQLite", func(b *testing.B) { rows = append(rows, compareChanges(b, program, "", "a broadcast in memory")...) })
	b.Run("PostgreSQL", func(b *testing.B) {
		rows = append(rows, compareChanges(b, program, storetest.StartDurableCluster(b).Database(b), "a relay of notifications")...)
	})
}

func compareChanges(b *testing.B, program, databaseURL, floor string) (rows []string) {
	name := b.Name()[strings.LastIndex(b.Name(), "/")+1:]
	dir := filepath.Join(b.TempDir(), "data")
	p := startProduct(b, program, dir, databaseURL)
	var told [changeWorkspaces]*broadcast
	for i := range told {
		told[i] = editedProvider(b, p.url, newToken(b, program, dir, databaseURL, fmt.Sprint("workspace", i)))
	}
	rows = append(rows, measureChanges(b, name, p.pid, told[:]))
	if err := p.stop(); err != nil {
		b.Error(err)
	}
	url, pid := startChild(b, "relay", databaseURL)
	for i := range told {
		told[i] = relayOf(url, fmt.Sprint(i))
	}
	return append(rows, measureChanges(b, name+", "+floor, pid, told[:]))
}

// broadcast is a way to tell all readers something.
type broadcast struct {
	stream *http.Request
	write  func(version int64) error
	answer []answered // of each write
}

// answered is when a write began and when it was answered.
type answered struct{ began, ended time.Time }

// newToken makes a token for a workspace.
func newToken(b *testing.B, program, dir, databaseURL, workspace string) string {
	command := exec.CommandContext(b.Context(), program, "tokens", "create", "--name", "bench", "--role", "admin", "--workspace", workspace,
		"--data-dir", dir, "--database-url", databaseURL)
	command.Env, command.Stderr = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, os.Stderr
	token, err := command.Output()
	if err != nil {
		b.Fatal("create a token: ", err)
	}
	return strings.TrimSpace(string(token))
}

// editedProvider makes a provider, whose edits are changes.
func editedProvider(b *testing.B, url, token string) *broadcast {
	s := newSide(b, url, token)
	send := func(method, path string, status int, body any) ([]byte, error) {
		text, _ := json.Marshal(body)
		return s.send(call{method: method, path: fixed(path), status: status, body: func(*side, int) string { return string(text) }}, 0)
	}
	made, err := send(http.MethodPost, "/providers", http.StatusCreated,
		map[string]any{"name": "Changed", "type": "openai", "credentials": map[string]string{"api_key": "sk-0123456789abcdef"}})
	var provider struct{ ID string }
	if err == nil {
		err = json.Unmarshal(made, &provider)
	}
	if err != nil {
		b.Fatal(err)
	}
	stream, _ := http.NewRequest(http.MethodGet, url+"/changes", nil)
	stream.Header.Set("Authorization", "Bearer "+token)
	stream.Header.Set("Accept", "text/event-stream")
	return &broadcast{stream: stream, write: func(version int64) error {
		_, err := send(http.MethodPatch, "/providers/"+provider.ID, http.StatusOK, map[string]any{"name": fmt.Sprint("Version ", version)})
		return err
	}}
}

// relayOf is what the floor does.
func relayOf(url, workspace string) *broadcast {
	stream, _ := http.NewRequest(http.MethodGet, url+"/?workspace="+workspace, nil)
	return &broadcast{stream: stream, write: func(version int64) error {
		response, err := http.Post(fmt.Sprintf("%s/?workspace=%s&version=%d", url, workspace, version), "", nil)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	}}
}

// arrival is when a stream got the event of a write.
type arrival struct {
	version int64
	at      time.Time
}

func measureChanges(b *testing.B, name string, pid int, workspaces []*broadcast) (row string) {
	b.Helper()
	time.Sleep(time.Second)
	before := memory(pid, "VmRSS")
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	client := &http.Client{Transport: &http.Transport{}}
	arrivals := make([][][]arrival, len(workspaces))
	var opened, reading sync.WaitGroup
	for i, w := range workspaces {
		arrivals[i] = make([][]arrival, *changeReaders)
		for j := range *changeReaders {
			opened.Add(1)
			reading.Go(func() {
				var err error
				if arrivals[i][j], err = readChanges(client, w.stream.WithContext(ctx), opened.Done); err != nil && ctx.Err() == nil {
					b.Error("a stream ended with: ", err)
				}
			})
		}
	}
	opened.Wait()
	time.Sleep(time.Second)
	each := (memory(pid, "VmRSS") - before) * 1024 / float64(len(workspaces)**changeReaders)

	var writes samples
	began := time.Now()
	for n := 0; time.Since(began) < *changeTime; n++ {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Second / changesPerSecond)))
		w := workspaces[n%len(workspaces)]
		a := answered{began: time.Now()}
		err := w.write(int64(len(w.answer)) + 2) // a new provider has version 1
		a.ended = time.Now()
		w.answer = append(w.answer, a)
		writes.add(a.ended.Sub(a.began), err)
	}
	time.Sleep(time.Second)
	cancel()
	reading.Wait()

	var fromStart, fromAnswer samples
	for i, w := range workspaces {
		for _, one := range arrivals[i] {
			if len(one) != len(w.answer) {
				b.Errorf("a stream got %d events of %d writes", len(one), len(w.answer))
			}
			for _, e := range one {
				a := w.answer[e.version-2]
				fromStart.add(e.at.Sub(a.began), nil)
				fromAnswer.add(max(0, e.at.Sub(a.ended)), nil)
			}
		}
	}
	row = fmt.Sprintf("| %s | %.0f |", name, each)
	for _, s := range []*samples{&writes, &fromStart, &fromAnswer} {
		f, err := s.figures(*changeTime)
		if err != nil {
			b.Fatal("a write failed: ", err)
		}
		row += fmt.Sprintf(" %.2f | %.2f |", f.p50.Seconds()*1000, f.p99.Seconds()*1000)
	}
	return row
}

// readChanges reads the events of a stream until it ends. It calls opened at the first line.
func readChanges(client *http.Client, request *http.Request, opened func()) (arrivals []arrival, err error) {
	opened = sync.OnceFunc(opened)
	defer opened()
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		opened()
		at := time.Now()
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			var c struct{ Version int64 }
			if err := json.Unmarshal([]byte(data), &c); err != nil {
				return arrivals, err
			}
			arrivals = append(arrivals, arrival{c.Version, at})
		}
	}
	return arrivals, lines.Err()
}
