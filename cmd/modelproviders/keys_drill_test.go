package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"modelproviders/pkg/secret/kek/kektest"
	"modelproviders/pkg/store/storetest"
)

// The drills of docs/keys.md: each test causes an accident, and then runs the commands
// of the page as they are printed there.

// drill is an installation whose keys have an accident: a service with a few providers,
// a backup of its database and a copy of its keyset.
type drill struct {
	*testing.T
	service   *process
	environ   []string          // of the service and of all commands
	paths     *strings.Replacer // puts directories of the test in the place of those in documents
	dir       string            // the data directory
	keyset    string
	programs  string            // a directory that is in PATH
	elsewhere string            // where copies of the keyset are
	work      string            // where commands run
	keys      map[string]string // the credentials by the paths of their providers
}

// newDrill starts a service with these environment variables, and makes the backup.
func newDrill(t *testing.T, environ ...string) *drill {
	t.Helper()
	storetest.Long(t)
	root := t.TempDir()
	for _, name := range []string{"bin", "keys", "backups", "elsewhere", "work"} {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d := &drill{
		T: t, dir: filepath.Join(root, "data"), keyset: filepath.Join(root, "keys", "keyset.json"),
		programs: filepath.Join(root, "bin"), elsewhere: filepath.Join(root, "elsewhere"), work: filepath.Join(root, "work"),
		paths: strings.NewReplacer("/elsewhere/", root+"/elsewhere/", "/backups/", root+"/backups/"),
		keys:  map[string]string{},
	}
	d.environ = append([]string{"PATH=" + d.programs + ":" + os.Getenv("PATH"), "HOME=" + root,
		"MODELPROVIDERS_DATA_DIR=" + d.dir, "MODELPROVIDERS_KEYSET=" + d.keyset, "MODELPROVIDERS_RATE_REVEALS=0"}, environ...)
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	d.install("modelproviders", fmt.Sprintf("#!/bin/sh\nexec env %s=1 %s \"$@\"\n", asProgram, test))
	d.start()
	for i := range 3 {
		name := fmt.Sprint("Provider ", i)
		body := fmt.Sprintf(`{"name":%q,"type":"openai","credentials":{"api_key":%q}}`, name, drillKey(name))
		d.keys["/providers/"+d.service.must(t, http.StatusCreated, "POST", "/providers", body).text("id")] = drillKey(name)
	}
	d.do("operations.md", "SQLite", 0)
	return d
}

// drillKey is the credential of a provider.
func drillKey(name string) string { return "sk-of-" + strings.ReplaceAll(name, " ", "-") }

// install adds a program that commands can call.
func (d *drill) install(name, script string) {
	d.Helper()
	if err := os.WriteFile(filepath.Join(d.programs, name), []byte(script), 0o700); err != nil {
		d.Fatal(err)
	}
}

// start starts the service, which must serve.
func (d *drill) start(args ...string) {
	d.Helper()
	d.service = launchWith(d.T, d.environ, args...)
	if !d.service.settle(d.T) {
		d.Fatalf("the service does not start:\n%s", d.service.stderr)
	}
	d.service.signIn(d.T, d.dir)
}

// refuses starts the service, which must end with an error that has these words.
func (d *drill) refuses(words ...string) {
	d.Helper()
	p := launchWith(d.T, d.environ)
	if p.settle(d.T) {
		d.Fatal("the service starts")
	}
	d.has("the refused start", p.stderr.String(), words...)
}

func (d *drill) has(what, text string, words ...string) {
	d.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			d.Errorf("%s does not say %q:\n%s", what, word, text)
		}
	}
}

func (d *drill) stop() {
	d.Helper()
	d.service.signal(os.Interrupt)
	if <-d.service.ended; d.service.err != nil {
		d.Errorf("the service ended with %v:\n%s", d.service.err, d.service.stderr.tail())
	}
}

// do runs a block of commands of a document, the one with this index under the heading,
// and returns what they print.
func (d *drill) do(document, heading string, index int, variables ...string) string {
	d.Helper()
	out, err := d.try(document, heading, index, variables...)
	if err != nil {
		d.Fatalf("%s, %s: %v\n%s", document, heading, err, out)
	}
	return out
}

func (d *drill) try(document, heading string, index int, variables ...string) (string, error) {
	d.Helper()
	blocks := commandBlocks(d.T, document, heading)
	if index >= len(blocks) {
		d.Fatalf("%s has %d blocks of commands under %q, not %d", document, len(blocks), heading, index+1)
	}
	return d.shell(d.paths.Replace(blocks[index]), variables...)
}

// shell runs commands.
func (d *drill) shell(commands string, variables ...string) (string, error) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-euc", commands)
	command.WaitDelay = time.Second
	command.Env, command.Dir = append(slices.Clone(d.environ), variables...), d.work
	out, err := command.CombinedOutput()
	return string(out), err
}

// commandBlocks are the indented blocks under a heading of a document.
func commandBlocks(t *testing.T, document, heading string) (blocks []string) {
	t.Helper()
	text := readFile(t, filepath.Join("..", "..", "docs", document))
	_, section, found := strings.Cut(text, "# "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", document, heading)
	}
	section = regexp.MustCompile(`(?m)^#+ `).Split(section, 2)[0]
	for _, block := range regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindAllString(section, -1) {
		blocks = append(blocks, regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, ""))
	}
	return blocks
}

// readable demands that the service reveals every credential, and that the doctor finds
// nothing.
func (d *drill) readable() {
	d.Helper()
	d.revealed()
	if out, err := d.shell("modelproviders doctor"); err != nil {
		d.Errorf("the doctor: %v\n%s", err, out)
	}
}

// revealed demands that the service reveals every credential.
func (d *drill) revealed() {
	d.Helper()
	for path, key := range d.keys {
		if got := d.service.must(d.T, http.StatusOK, "POST", path+"/credentials/api_key/reveal", "").text("value"); got != key {
			d.Errorf("revealed %q, not %q", got, key)
		}
	}
}

// warns demands that a running service goes on, with a warning in /readyz.
func (d *drill) warns() {
	d.Helper()
	eventually(d.T, "/readyz has a warning", func() bool { return d.service.call(d.T, "GET", "/readyz", "").body["warnings"] != nil })
	d.service.must(d.T, http.StatusOK, "GET", "/readyz", "")
}

// wellAgain demands that the warning of a running service goes away by itself.
func (d *drill) wellAgain() {
	d.Helper()
	eventually(d.T, "the warning in /readyz goes away", func() bool { return d.service.call(d.T, "GET", "/readyz", "").body["warnings"] == nil })
}

// key returns the id of the key for which is returns true.
func (d *drill) key(is func(listedKey) bool) string {
	d.Helper()
	out, err := d.shell("modelproviders keys list --json 2>errors || { cat errors; exit 1; }")
	if err != nil {
		d.Fatalf("list the keys: %v\n%s", err, out)
	}
	return listedIn(d.T, out, is)
}

// restoreDatabase puts the backup in the place of the database, as operations.md says,
// and leaves the keyset as it is.
func (d *drill) restoreDatabase() {
	d.Helper()
	commands, _, _ := strings.Cut(commandBlocks(d.T, "operations.md", "SQLite")[1], "install -m 600 /elsewhere/")
	if out, err := d.shell(d.paths.Replace(commands)); err != nil {
		d.Fatalf("restore: %v\n%s", err, out)
	}
}

func TestDrillLostKeyset(t *testing.T) {
	t.Parallel()
	const heading = "The keyset is lost"
	d := newDrill(t)
	removeFile(t, d.keyset)
	d.warns()
	d.refuses("the keyset "+d.keyset+" is missing", "restore it from a backup")
	d.do("keys.md", heading, 0)
	d.wellAgain()
	d.readable()
}

// TestDrillLostKeysetWithoutCopy saves everything through the process that still runs.
func TestDrillLostKeysetWithoutCopy(t *testing.T) {
	t.Parallel()
	needsPrograms(t, "curl")
	const heading = "The keyset is lost"
	d := newDrill(t)
	removeFile(t, d.keyset)
	d.warns()
	api := []string{"MODELPROVIDERS_URL=" + d.service.url, "MODELPROVIDERS_TOKEN=" + d.service.token}
	var credentials []string
	for path, key := range d.keys {
		d.has("the output of the commands", d.do("keys.md", heading, 1, append(api, "PROVIDER="+strings.TrimPrefix(path, "/providers/"))...), key)
		name := strings.ToUpper(d.service.must(t, http.StatusOK, "GET", path, "").text("name"))
		credentials = append(credentials, strings.ReplaceAll(name, " ", "_")+"_API_KEY="+key)
	}
	d.stop()
	d.dir = filepath.Join(t.TempDir(), "data")
	d.environ = append(d.environ, "MODELPROVIDERS_DATA_DIR="+d.dir)
	d.refuses("--new-database")
	d.start("--new-database")
	d.do("keys.md", heading, 2, append(credentials, "MODELPROVIDERS_URL="+d.service.url, "MODELPROVIDERS_TOKEN="+d.service.token)...)
	list := d.service.must(t, http.StatusOK, "GET", "/providers", "").body["data"].([]any)
	if len(list) != len(d.keys) {
		t.Errorf("%d providers are back, not %d", len(list), len(d.keys))
	}
	clear(d.keys)
	for _, provider := range list {
		p := provider.(map[string]any)
		d.keys["/providers/"+p["id"].(string)] = drillKey(p["name"].(string))
	}
	d.readable()
}

func TestDrillLeakedKeyset(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	leaked := readFile(t, d.keyset)
	old := d.key(seals)
	d.do("keys.md", "The keyset has leaked", 0, "OLD="+old)
	d.wellAgain()
	d.readable()
	if strings.Contains(readFile(t, d.keyset), old) || readFile(t, filepath.Join(d.elsewhere, "keyset.json")) != readFile(t, d.keyset) {
		t.Error("the destroyed key is in the keyset or in its copy")
	}
	d.stop()
	writeFile(t, d.keyset, leaked)
	d.refuses(d.keyset)
}

func TestDrillLeakedDatabase(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	old := d.key(seals)
	d.do("keys.md", "The database has leaked", 0, "OLD="+old)
	d.readable()
	d.stop()
	d.restoreDatabase() // the copy that leaked, with a keyset that leaks later
	d.refuses(old)
	if out, err := d.shell("modelproviders keys enable " + old); err == nil {
		t.Errorf("the destroyed key was enabled:\n%s", out)
	}
}

// TestDrillLostKMSKey wraps a keyset by each KMS, loses the key there, and wraps the
// copy of the keyset by another KMS.
func TestDrillLostKMSKey(t *testing.T) {
	t.Parallel()
	const heading = "The key of the KMS is lost"
	fakes := kektest.Fakes()
	for i, fake := range fakes {
		t.Run(fake.Name, func(t *testing.T) {
			kms, other := kektest.Start(t, fake), kektest.Start(t, fakes[(i+1)%len(fakes)])
			d := newDrill(t, append(kms.Environ, other.Environ...)...)
			clear := readFile(t, d.keyset)
			d.environ = append(d.environ, "MODELPROVIDERS_KEYSET_KEK="+kms.URI)
			if out, err := d.shell("modelproviders keys wrap"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			d.warns() // it runs without the setting
			d.stop()
			d.start()
			d.readable()

			kms.Use(kektest.Disabled)
			d.revealed()
			d.refuses("MODELPROVIDERS_KEYSET", kms.URI[strings.LastIndex(kms.URI, "/")+1:])
			if out, err := d.shell("modelproviders doctor"); err == nil {
				t.Errorf("the doctor finds nothing:\n%s", out)
			}
			d.do("keys.md", heading, 0, "NEW_KEK="+other.URI)
			d.warns()
			d.revealed()
			d.environ = append(d.environ, "MODELPROVIDERS_KEYSET_KEK="+other.URI)
			d.stop()
			d.start()
			d.readable()
			if readFile(t, d.keyset) == clear {
				t.Error("the keyset is not wrapped")
			}
		})
	}
}

func TestDrillRestoredBackup(t *testing.T) {
	t.Parallel()
	const heading = "An old backup was restored"
	d := newDrill(t)
	old := d.key(seals)
	d.do("keys.md", "On one machine", 0)
	d.readable()
	d.stop()
	d.restoreDatabase()
	d.refuses(old, "modelproviders keys enable "+old)
	d.do("keys.md", heading, 0, "OLD="+old)
	d.start()
	d.readable()
	d.do("keys.md", heading, 1, "OLD="+old)
	d.readable()
	if now := d.key(seals); now == old {
		t.Error("the old key still seals")
	}
}

func TestDrillOverwrittenKeyset(t *testing.T) {
	t.Parallel()
	d := newDrill(t)
	other := filepath.Join(d.TempDir(), "keyset.json")
	if out, err := d.shell("modelproviders keys create --keyset " + other); err != nil {
		t.Fatalf("create another keyset: %v\n%s", err, out)
	}
	copyFile(t, other, d.keyset)
	d.warns()
	d.has("the log", d.service.stderr.String(), "is not the one of this database")
	d.refuses("is not the one of this database")
	d.revealed()
	d.do("keys.md", "The keyset was overwritten with another", 0)
	d.wellAgain()
	d.readable()
}

func TestDrillDestroyedTooEarly(t *testing.T) {
	t.Parallel()
	const heading = "A key was destroyed too early"
	d := newDrill(t)
	old := d.key(seals)
	copyFile(t, d.keyset, filepath.Join(d.elsewhere, "old-keyset.json"))
	d.do("keys.md", "The keyset has leaked", 0, "OLD="+old)
	d.stop()
	d.restoreDatabase()
	d.refuses(old)
	out, err := d.try("keys.md", "An old backup was restored", 0, "OLD="+old)
	if err == nil {
		t.Error("a destroyed key was enabled")
	}
	d.has("keys enable", out, old)
	d.do("keys.md", heading, 0)
	d.start()
	d.readable()
	d.do("keys.md", heading, 1)
	d.readable()
	if now := d.key(seals); now == old {
		t.Error("the old key still seals")
	}
}

// repeat runs a block of commands until it succeeds.
func (d *drill) repeat(heading string, index int, variables ...string) {
	d.Helper()
	eventually(d.T, heading, func() bool {
		out, err := d.try("keys.md", heading, index, variables...)
		if err != nil {
			d.Logf("%s: %v\n%s", heading, err, out)
			time.Sleep(time.Second)
		}
		return err == nil
	})
}

func TestDrillRotationOnOneMachine(t *testing.T) {
	t.Parallel()
	const heading = "On one machine"
	d := newDrill(t)
	first := d.key(seals)
	d.do("keys.md", heading, 0)
	second := d.key(seals)
	d.do("keys.md", heading, 1)
	added := d.key(unused)
	d.repeat(heading, 2, "OLD="+second, "NEW="+added)
	d.readable()
	if third := d.key(seals); first == second || second == third || third != added {
		t.Errorf("the keys were %s, %s, %s, and %s was added", first, second, third, added)
	}
	if readFile(t, filepath.Join(d.elsewhere, "keyset.json")) != readFile(t, d.keyset) {
		t.Error("the copy of the keyset is another one")
	}
}

func TestDrillRotationOnSeveralMachines(t *testing.T) {
	t.Parallel()
	const heading = "On several machines"
	d := newDrill(t)
	old := d.key(seals)
	d.do("keys.md", heading, 0)
	copyFile(t, filepath.Join(d.work, "new-keyset.json"), d.keyset)
	added := d.key(unused)
	d.repeat(heading, 1, "OLD="+old, "NEW="+added)
	copyFile(t, filepath.Join(d.work, "retired-keyset.json"), d.keyset)
	d.readable()
	if now := d.key(seals); now != added {
		t.Errorf("%s seals, not %s", now, added)
	}
}

// kubectl stands in for the program, and for Kubernetes: it replaces the file as a pod
// sees it.
const kubectl = `#!/bin/sh
set -eu
case "$1" in
exec) shift 4; exec modelproviders "$@" ;;
create) cat keyset.json ;;
apply)
	version=$(mktemp -d "$SECRET/..XXXXXX")
	cat > "$version/keyset.json"
	chmod 0440 "$version/keyset.json"
	ln -s "$(basename "$version")" "$SECRET/..new"
	mv -T "$SECRET/..new" "$SECRET/..data" ;;
esac
`

func TestDrillRotationOnKubernetes(t *testing.T) {
	t.Parallel()
	const heading = "On Kubernetes"
	d := newDrill(t)
	old := d.key(seals)
	d.install("kubectl", kubectl)
	secret := filepath.Dir(d.keyset)
	out, err := d.shell(`cp "$MODELPROVIDERS_KEYSET" keyset.json && kubectl apply < keyset.json && ln -sf ..data/keyset.json "$MODELPROVIDERS_KEYSET" && rm keyset.json`, "SECRET="+secret)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	d.do("keys.md", heading, 0, "SECRET="+secret)
	added := d.key(unused)
	d.repeat(heading, 1, "SECRET="+secret, "OLD="+old, "NEW="+added)
	d.readable()
	if now := d.key(seals); now != added {
		t.Errorf("%s seals, not %s", now, added)
	}
}
