package main

// commonHelp is part of the help of the program and of every command.
const commonHelp = `Each flag can also be set by an environment variable: --data-dir is MODELPROVIDERS_DATA_DIR. The flag takes precedence. If a setting contains a secret, a variable with _FILE at its end can name a file with the value, such as MODELPROVIDERS_DATABASE_URL_FILE. Unless the help of a command says otherwise, the exit status is 0 for success, 64 if arguments or settings are wrong, and 1 for any other failure.`

// programHelp is the beginning of the help of the program.
const programHelp = `The backend of a bring-your-own-model settings page.

Results are printed as tables on a terminal, and elsewhere as lines with tabs between the values. Logs go to stderr.

` + commonHelp + `

    modelproviders                              # serve with default settings
    modelproviders tokens list --json           # on the machine that has the data
    modelproviders serve --help                 # all settings of the service`

// commandHelp is what the help of each command says about it, with examples.
var commandHelp = map[string]string{ //nolint:gosec // it contains no credentials
	"serve": `Without any settings, the service listens on http://127.0.0.1:8080 and keeps everything in ./data: a SQLite database, the encryption keyset, and the first admin token in admin.token. SIGTERM stops the service after requests in flight have finished.

To try it without an API key:

    modelproviders serve --demo

With PostgreSQL, and the keyset in another place than the data:

    export MODELPROVIDERS_DATABASE_URL_FILE=/run/secrets/database-url
    modelproviders serve --addr 0.0.0.0:8080 --keyset /run/secrets/keyset.json`,

	"tokens create": `Prints the value of the new token, which can't be shown again. The service may be running. Viewers read; editors also write, test, and register what depends on models; admins also reveal credentials, manage tokens and read audit events.

    modelproviders tokens create --name 'acme admin' --role admin --workspace acme`,

	"tokens list": `Lists the tokens that have not been revoked, newest first, without their values. The service may be running.

    modelproviders tokens list --workspace acme
    modelproviders tokens list --json | jq -r 'select(.last_used_at == null) | .id'`,

	"tokens revoke": `A running service refuses the token within a second.

    modelproviders tokens revoke --workspace acme 0199d1a4-7c20-7c44-a1b5-93d1e5f0c8aa`,

	"audit verify": `The events of a workspace form a chain that shows whether one was changed, removed or inserted. Prints a line for each workspace, with the first break of its chain, and exits with 1 if a chain is broken. The service may be running.

    modelproviders audit verify`,

	"audit export": `Each line is an event in the form of GET /audit-events. The service may be running.

    modelproviders audit export --workspace acme > acme.jsonl`,

	"export": `Prints the providers of a workspace with their models as YAML. Credentials are not exported: the file names the environment variables that apply reads them from.

    modelproviders export > providers.yaml`,

	"apply": `Creates and changes the providers of a workspace so that they are as in the file, which has the format of export. Providers are matched by name. What is equal is not changed, so the command can be repeated.

    modelproviders apply -f providers.yaml --dry-run

Exit status: with --dry-run, 2 if something would change.`,

	"backup": `Copies the SQLite database to FILE, also while the service is running. The copy contains everything that was stored before the command began. A copy of the file modelproviders.db made with other tools while the service is running lacks the latest changes, or is damaged.

The keyset is not part of the copy, and without it no credential can be decrypted. Back it up separately, in another place.

To restore a backup, stop the service, remove modelproviders.db-wal and modelproviders.db-shm from the data directory, replace modelproviders.db by the copy, and start the service with the keyset of the database.

Back up PostgreSQL with pg_dump.

    modelproviders backup /backups/modelproviders.db`,

	"migrate status": `Creates and changes nothing, also if there is no database. The version of a database that is missing or empty is 0.

    modelproviders migrate status

Exit status: 0 if the schema is up to date, 1 if it can't be read or is newer than the program, 2 if migrations are pending.`,

	"migrate up": `The service does the same when it starts. Use this command to migrate before new processes start. Several processes may migrate at once; one of them does, and the others wait.

A migration can't be undone. Back up the database first.

    modelproviders migrate up

Exit status: 0 if the schema is up to date, 1 if it could not be migrated.`,

	"keys list": `Lists the keys of the keyset and those that the database needs. Their states:

sealing: new values are encrypted with it. enabled: it decrypts. disabled: it can't be used, and its material is kept. missing from the file: the database needs it; restore it. not in the database: it was added with other tools.

VALUES is the number of stored values that are encrypted with the key: credentials, and two values of the database itself. MISSING IN names the running processes that have not loaded the key.

    modelproviders keys list
    modelproviders keys list --json | jq 'select(.state == "enabled" and .values > 0) | .id'`,

	"keys rotate": `Adds a new key to the keyset, waits until every running process has loaded it, encrypts new values and then stored values with it, and retires all other keys. The service keeps running. An interrupted rotation is continued by running the command again, with the key that it added.

Where the keyset is read-only or on several machines, use keys add, retire and --out for the files, as docs/keys.md describes, and this command for the rest.

    modelproviders keys rotate
    modelproviders keys rotate --wait 1h --rate 200`,

	"keys add": `Adds a new key to the keyset, and prints its id. Nothing is encrypted with it yet: see keys promote. Running processes load the changed keyset within seconds.

    modelproviders keys add
    modelproviders keys add --out keyset-new.json`,

	"keys promote": `From now on every process encrypts new values with this key. It is refused while a running process has not loaded the key. What was encrypted before stays as it is: see keys reseal.

    modelproviders keys promote 1437583201`,

	"keys reseal": `Encrypts every stored value again that is not encrypted with the present key, while the service is running. Concurrent edits win, and neither versions nor times of edits change. The command can be interrupted and run again. It is refused while a running process has not loaded the present key.

A value that can't be decrypted is named by its ids and skipped; then the exit status is 1.

Progress is shown on stderr: a bar on a terminal, elsewhere a JSON object per line, at most one per second, with the fields time, done, total, per_second and seconds_left. The result is the number of values that were encrypted, and of those that can't be decrypted.

    modelproviders keys reseal
    modelproviders keys reseal --rate 200`,

	"keys retire": `Disables a key in the keyset. It is refused while a stored value is encrypted with the key: see keys reseal. The material of the key is kept, so that an old backup of the database can be used: see keys enable. Page cursors that were made with the key are no longer accepted.

    modelproviders keys retire 982451653
    modelproviders keys retire 982451653 --out keyset-new.json`,

	"keys enable": `Enables a key in the keyset that was retired, because a restored backup of the database needs it.

    modelproviders keys enable 982451653`,

	"keys destroy": `Deletes a key from the keyset. Backups of the database from before the key was retired can't be decrypted anymore, unless you have a copy of the keyset. It is refused for a key that is enabled, or that the database needs.

    modelproviders keys destroy 982451653 --yes`,

	"keys create": `Creates a keyset file with one key, for a new database, and prints the id of the key. The service does the same at its first start, if it can write the file. An existing file is never replaced. A new keyset does not replace a lost one.

    modelproviders keys create --out keyset.json
    kubectl create secret generic modelproviders-keyset --from-file=keyset.json`,

	"keys wrap": `Encrypts the keyset with the key of a key management service (KMS), which --keyset-kek names. The keys themselves stay the same. Before the file is replaced, the new content is decrypted and compared.

Restart the processes with --keyset-kek afterwards: one that runs without it can't read the new file, reports that in /readyz, and keeps the keys that it has loaded. Delete copies that are not encrypted; whoever has one needs no KMS.

    modelproviders keys wrap --keyset-kek hcvault://vault.example.com:8200/transit/keys/models

--from-kek changes the key, also to one of another KMS:

    export MODELPROVIDERS_KEYSET_KEK=hcvault://vault.example.com:8200/transit/keys/new
    modelproviders keys wrap --from-kek hcvault://vault.example.com:8200/transit/keys/models`,

	"keys unwrap": `Decrypts a keyset that is encrypted with the key of a key management service, which --keyset-kek names. Restart the processes without --keyset-kek afterwards.

    modelproviders keys unwrap --keyset-kek hcvault://vault.example.com:8200/transit/keys/models`,

	"doctor": `Checks the settings of the service, the modes of its files, the schema of the database, whether the SQLite file is damaged, whether the keyset is that of the database and has the keys that it needs, whether every encrypted value can be decrypted, and the audit log of every workspace. It changes nothing, and the service may be running.

It prints a line for each check, or one for each thing that is broken, named by its id.

    modelproviders doctor

Exit status: 0 if everything is in order, 1 if something is broken, 64 if a setting is wrong.`,

	"healthcheck": `Asks /readyz of the service on this machine, with the service's own settings, and exits with 0 if it is ready. Otherwise it prints why not, and exits with 1. The image uses it as its HEALTHCHECK.

/readyz fails while the database can't be reached, which a restart does not repair. Where an unhealthy container is restarted, use --live.

    modelproviders healthcheck --addr 127.0.0.1:8080`,

	"version": `Prints the version, the commit that the program was built from, and the version of Go. The service also reports version and commit at /healthz.

    modelproviders version --json`,
}
