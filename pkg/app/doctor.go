package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"modelproviders/pkg/fault"
	"modelproviders/pkg/registry"
	"modelproviders/pkg/secret"
	"modelproviders/pkg/store"
)

// Finding is a result of one of the doctor's checks. A check that failed has a finding
// for each thing that is broken.
type Finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // FindingOK, FindingFailed or FindingSkipped
	Detail string `json:"detail"`
}

// The statuses of findings. A check is skipped if it needs something that is broken.
const (
	FindingOK      = "ok"
	FindingFailed  = "failed"
	FindingSkipped = "skipped"
)

// maxFindings bounds what is reported of one check.
const maxFindings = 1000

// Diagnose checks the data of a service, which may be running. It creates and changes
// nothing. It names what is broken by its id, never by its value.
func Diagnose(ctx context.Context, cfg Config) []Finding {
	d := &doctor{cfg: cfg.withDefaults()}
	d.lost = d.cfg.mustExist()
	defer d.close()
	checks := []check{
		{"files", d.checkFiles},
		{"database", d.checkDatabase},
		{"damage", d.checkDamage},
		{"keyset", d.checkKeyset},
		{"keys", d.checkKeys},
	}
	for _, kind := range registry.SealedKinds() {
		checks = append(checks, check{kind.Name, func(ctx context.Context) (string, error) { return d.checkSealed(ctx, kind) }})
	}
	for _, check := range append(checks, check{"audit log", d.checkAudit}) {
		d.broken = nil
		detail, err := check.run(ctx)
		switch {
		case errors.Is(err, errSkipped):
			d.add(check.name, FindingSkipped, "something that it needs is broken")
			continue
		case err != nil:
			d.broken = append(d.broken, err)
		case len(d.broken) == 0:
			d.add(check.name, FindingOK, detail)
		}
		for i, err := range d.broken {
			if i == maxFindings {
				d.add(check.name, FindingFailed, fmt.Sprintf("and %d more", len(d.broken)-i))
				break
			}
			d.add(check.name, FindingFailed, err.Error())
		}
	}
	return d.findings
}

// check is one of the doctor's checks.
type check struct {
	name string
	run  func(ctx context.Context) (detail string, err error)
}

// doctor checks one thing after another. What a failed check would have opened is nil.
type doctor struct {
	cfg      Config
	lost     error
	store    *store.Store // its schema is that of this program
	keyset   *secret.Keyset
	broken   []error // found by the present check
	findings []Finding
}

var errSkipped = errors.New("skipped")

func (d *doctor) add(check, status, detail string) {
	d.findings = append(d.findings, Finding{Check: check, Status: status, Detail: detail})
}

func (d *doctor) report(err error) { d.broken = append(d.broken, err) }

func (d *doctor) close() {
	if d.store != nil {
		_ = d.store.Close() // nothing was written
	}
}

// checkFiles checks who can access the files with secrets.
func (d *doctor) checkFiles(context.Context) (string, error) {
	paths := []string{d.cfg.keysetPath(), claimedPath(d.cfg.keysetPath()), d.cfg.adminTokenPath()}
	if d.cfg.DatabaseURL == "" {
		paths = append(paths, d.cfg.sqlitePath(), d.cfg.sqlitePath()+"-wal", d.cfg.sqlitePath()+"-shm")
	}
	found := 0
	for _, path := range paths {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			d.report(err)
		case secret.ExposedMode(info.Mode()):
			d.report(fmt.Errorf("users other than its owner can access %s; set its mode to 0600", path))
		}
		found++
	}
	return fmt.Sprintf("%d files are private", found), nil
}

func (d *doctor) checkDatabase(ctx context.Context) (string, error) {
	schema, err := ReadSchema(ctx, d.cfg)
	switch {
	case err != nil:
	case schema.Database == 0 && d.lost != nil:
		err = d.lost
	default:
		err = schema.Err()
	}
	if err == nil {
		cfg := d.cfg.store(true)
		cfg.ReadOnly = true
		d.store, err = store.Open(ctx, cfg)
	}
	return fmt.Sprintf("schema version %d", schema.Database), err
}

func (d *doctor) checkDamage(ctx context.Context) (string, error) {
	switch {
	case d.cfg.DatabaseURL != "":
		return "PostgreSQL has tools of its own, such as pg_amcheck", nil
	case d.store == nil:
		return "", errSkipped
	}
	return "the SQLite file is sound", d.store.QuickCheck(ctx)
}

func (d *doctor) checkKeyset(ctx context.Context) (detail string, err error) {
	path := d.cfg.keysetPath()
	keys, err := secret.Load(ctx, path, d.cfg.kek())
	if err != nil {
		return "", fmt.Errorf("%s: %w", Setting("keyset"), err)
	}
	if d.store == nil {
		return "", errSkipped
	}
	claim, err := d.store.Claimed(ctx, registry.KeysetClaim)
	if fault.Is(err, fault.NotFound) {
		return "", errors.Join(errors.New("the database belongs to no keyset"), d.lost)
	}
	if err != nil {
		return "", err
	}
	stored, err := d.store.SealingKeys(ctx)
	if err != nil {
		return "", err
	}
	if err := checkKeyset(stored, keys, claim, path); err != nil {
		return "", err
	}
	d.keyset = keys
	detail = "it is that of the database"
	if _, err := os.Stat(claimedPath(path)); err != nil {
		detail += fmt.Sprintf("; %s is missing, so a lost database would not be noticed", claimedPath(path))
	}
	return detail, nil
}

// checkKeys checks that the keyset file has the keys that the database needs.
func (d *doctor) checkKeys(ctx context.Context) (string, error) {
	if d.store == nil {
		return "", errSkipped
	}
	file, err := secret.ReadKeys(ctx, d.cfg.keysetPath(), d.cfg.kek())
	if err != nil {
		return "", errSkipped
	}
	keys, err := joinKeys(ctx, d.store, file)
	if err != nil {
		return "", err
	}
	var sealing uint32
	others := 0
	for _, key := range keys {
		needed := key.PromotedAt != nil && key.RetiredAt == nil || key.Values > 0
		switch {
		case key.State == KeyMissing && needed:
			d.report(fmt.Errorf("the keyset lacks the key %d, with which %d values are encrypted; restore a keyset that has the key", key.ID, key.Values))
		case key.State == KeyDisabled && needed:
			d.report(fmt.Errorf("the key %d is disabled, and %d values are encrypted with it; run `modelproviders keys enable %d`", key.ID, key.Values, key.ID))
		}
		if key.Sealing {
			sealing = key.ID
		} else {
			others += key.Values
		}
	}
	detail := fmt.Sprintf("new values are encrypted with the key %d, and %d stored values with other keys", sealing, others)
	if others > 0 {
		detail += "; `modelproviders keys reseal` encrypts them with this key"
	}
	if d.cfg.KeysetKEK == "" {
		return detail + "; the keyset file is not encrypted", nil
	}
	return detail + "; the keyset file is encrypted with " + d.cfg.KeysetKEK, nil
}

// checkSealed decrypts the values of a kind.
func (d *doctor) checkSealed(ctx context.Context, kind registry.SealedKind) (string, error) {
	if d.keyset == nil {
		return "", errSkipped
	}
	total, err := kind.Check(ctx, d.store, d.keyset, d.report)
	return fmt.Sprintf("%d can be decrypted", total), err
}

func (d *doctor) checkAudit(ctx context.Context) (string, error) {
	if d.keyset == nil {
		return "", errSkipped
	}
	sealed, err := d.store.Claimed(ctx, registry.MasterClaim)
	master, unsealErr := unsealMaster(d.keyset, sealed)
	if err != nil || unsealErr != nil {
		return "", errSkipped
	}
	reports, err := openAudit(d.store, master, d.cfg).Verify(ctx)
	for _, report := range reports {
		if report.Break != nil {
			d.report(fmt.Errorf("workspace %q: %s", report.Workspace, report.Break))
		}
	}
	return fmt.Sprintf("the chains of %d workspaces are intact", len(reports)), err
}
