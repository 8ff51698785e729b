// Package bench_test measures the product against a floor: a bare Echo server
// that does the same calls with the same drivers on the same schema, written by
// hand, with nothing that makes a service of it. Only the ratio of the two says
// something, whatever the machine. docs/performance.md tells what is measured
// and how to read it.
package bench_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/store/storetest"
)

var (
	roundLength = flag.Duration("round", time.Second, "how long a round lasts")
	roundCount  = flag.Int("rounds", 5, "how many rounds there are of each call")
	onlyCalls   = flag.String("calls", "", "the calls that BenchmarkService makes, such as test,create; all by default")
)

// BenchmarkService prints a table a database. It fails on a call that fails,
// never on a slow one.
func BenchmarkService(b *testing.B) {
	program := build(b)
	upstream, _ := startChild(b, "upstream")
	b.Run("SQLite", func(b *testing.B) { measure(b, program, upstream, nil) })
	b.Run("PostgreSQL", func(b *testing.B) { measure(b, program, upstream, storetest.StartDurableCluster(b)) })
}

// bench is what is measured on one kind of database.
type bench struct {
	*testing.B
	program, upstream      string
	cluster                *storetest.Cluster // nil: SQLite
	dataDir, databaseURL   string             // the product's
	process                *product
	product, floor, direct *side
	db                     *database // the product's
	floorPID               int
	idle                   float64       // the product's memory after its start, in MB
	owed                   time.Duration // the longest that the product's links took after a round
	table                  table
}

func measure(b *testing.B, program, upstream string, cluster *storetest.Cluster) {
	m := &bench{B: b, program: program, upstream: upstream, cluster: cluster}
	m.start()
	m.checkFloor()
	atFloor := 1.5 // on SQLite the product commits many at once, the floor each alone
	if cluster != nil {
		atFloor = 0.6
	}
	body := m.lastBody()

	if measured("test") {
		one := alternate(b, m.settle, together(test(fast), 1, m.product), together(test(fast), 1, m.floor), together(chat(body), 1, m.direct))
		m.table.add("test", "1", one[0], one[1], nil)
		m.table.add("- direct call", "1", figures{}, one[2], nil)
		m.table.add("- added", "1", added(one[0], one[2]), added(one[1], one[2]), p50AtMost(1.6))
		m.compare("test", test(fast), manyCallers, perSecondAtLeast(atFloor))
		m.pacedTest(body)
	}
	for _, c := range []struct {
		name          string
		call          call
		alone, loaded goal
	}{
		{"get", get, p50AtMost(2), nil},
		{"page of 20", list, p50AtMost(2), nil},
		{"models by stage", models, p50AtMost(2), nil},
		{"create", create(upstream), perSecondAtLeast(0.75), perSecondAtLeast(0.75)}, // last: it adds to what the others read
	} {
		if measured(c.name) {
			m.compare(c.name, c.call, 1, c.alone)
			m.compare(c.name, c.call, manyCallers, c.loaded)
		}
	}

	name := b.Name()[strings.LastIndex(b.Name(), "/")+1:]
	fmt.Printf("\n\n%s, times in ms, medians of %d rounds of %v\n\n%s\n", name, *roundCount, *roundLength, m.table)
	fmt.Printf("- memory in MB: product %.0f idle, at most %.0f during the run with up to %d callers (goals: 40 and 100); floor at most %.0f\n",
		m.idle, memory(m.process.pid, "VmHWM"), manyCallers, memory(m.floorPID, "VmHWM"))
	fmt.Printf("- linking the audit events of a round took at most %.1f s after its end\n", m.owed.Seconds())
	if cluster != nil && *onlyCalls == "" {
		m.twoProcesses()
	}
}

// measured reports whether a call is one of -calls.
func measured(call string) bool {
	return *onlyCalls == "" || slices.Contains(strings.Split(*onlyCalls, ","), call)
}

// compare measures the product and the floor with a call.
func (m *bench) compare(name string, c call, callers int, goal goal) {
	f := alternate(m.B, m.settle, together(c, callers, m.product), together(c, callers, m.floor))
	m.table.add(name, fmt.Sprint(callers), f[0], f[1], goal)
}

// pacedTest measures tests at a fixed rate, with an upstream that takes its time.
func (m *bench) pacedTest(body string) {
	const perSecond = 100
	direct := chat(strings.Replace(body, fastModel, slowModel, 1))
	f := alternate(m.B, m.settle, paced(test(slow), perSecond, m.product), paced(test(slow), perSecond, m.floor), paced(direct, perSecond, m.direct))
	m.table.add("test, upstream of 20 ms", "100/s", f[0], f[1], nil)
	m.table.add("- direct call", "100/s", figures{}, f[2], nil)
	m.table.add("- added", "100/s", added(f[0], f[2]), added(f[1], f[2]), addedAtMost(1500*time.Microsecond, 10*time.Millisecond))
}

// added is what a service adds to the median of a direct call.
func added(through, direct figures) figures {
	return figures{p50: through.p50 - direct.p50, p99: through.p99 - direct.p50}
}

// start starts product and floor on databases of their own, both made by the
// product, and fills them through the API of each.
func (m *bench) start() {
	var databases []*database
	place := func() (dir, url string) {
		dir = filepath.Join(m.TempDir(), "data")
		if m.cluster != nil {
			url = m.cluster.Database(m)
		}
		if err := startProduct(m.B, m.program, dir, url).stop(); err != nil {
			m.Fatal("make a database: ", err)
		}
		db, err := openDatabase(dir, url)
		if err != nil {
			m.Fatal(err)
		}
		m.Cleanup(func() { _ = db.close() })
		databases = append(databases, db)
		return dir, url
	}
	m.dataDir, m.databaseURL = place()
	floorDir, floorURL := place()
	m.db = databases[0]

	m.process = startProduct(m.B, m.program, m.dataDir, m.databaseURL)
	time.Sleep(time.Second)
	m.idle = memory(m.process.pid, "VmRSS")
	var url string
	url, m.floorPID = startChild(m.B, "floor", floorDir, floorURL)
	m.product, m.floor = newSide(m.B, m.process.url, adminToken(m.B, m.dataDir)), newSide(m.B, url, adminToken(m.B, floorDir))
	m.direct = newSide(m.B, m.upstream, "")
	m.product.fill(m.B, m.upstream)
	m.floor.fill(m.B, m.upstream)
	for _, db := range databases {
		addNeighbours(m.B, db)
	}
}

func adminToken(b testing.TB, dataDir string) string {
	token, err := os.ReadFile(filepath.Join(dataDir, "admin.token"))
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// settle waits until the product has linked its events, so that it does not work
// in the floor's round.
func (m *bench) settle() { m.owed = max(m.owed, waitLinked(m.B, m.db)) }

// waitLinked waits until all audit events are linked, and returns how long that took.
func waitLinked(b testing.TB, db *database) time.Duration {
	b.Helper()
	began := time.Now()
	for unlinked := true; unlinked; time.Sleep(10 * time.Millisecond) {
		if err := db.reader.QueryRow("SELECT EXISTS (SELECT 1 FROM audit_events WHERE number IS NULL)").Scan(&unlinked); err != nil {
			b.Fatal(err)
		}
		if time.Since(began) > time.Minute {
			b.Fatal("the product does not link its audit events")
		}
	}
	return time.Since(began)
}

// twoProcesses compares two processes of the product on one database with one, and
// prints which locks they waited for.
func (m *bench) twoProcesses() {
	second := startProduct(m.B, m.program, m.dataDir, m.databaseURL)
	other := newSide(m.B, second.url, m.product.token)
	other.targets = m.product.targets
	for _, c := range []struct {
		name string
		call call
	}{{"test", test(fast)}, {"create", create(m.upstream)}} {
		alone, both := newLockWatch(m.B, m.db.reader), newLockWatch(m.B, m.db.reader)
		f := alternate(m.B, m.settle, alone.during(together(c.call, manyCallers, m.product)), both.during(together(c.call, manyCallers, m.product, other)))
		fmt.Printf("- two processes, %s, %d callers: %.0f per second; one process: %.0f (%.0f %%, goal ≥ 100 %%); waits for locks: %s; with one process: %s\n",
			c.name, manyCallers, f[1].perSecond, f[0].perSecond, 100*f[1].perSecond/f[0].perSecond, both, alone)
	}
}
