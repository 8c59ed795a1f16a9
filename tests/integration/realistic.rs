//! Sixty-one migrations as applications write them, applied at once and one by one: both tenants are the same.

use include_dir::{Dir, include_dir};
use migrations_core::{MigrationSet, Migrator};
use migrations_testing::{Difference, TestDatabase};

use crate::fixture::{column, set};

static MIGRATIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tests/integration/realistic");

/// The set, without the files that need an extension the server does not have; a file says so in its first line.
fn realistic() -> Migrator {
    let test = TestDatabase::new().unwrap();
    let available = column(&test, "SELECT name::text FROM pg_available_extensions");
    let mut extensions = Vec::new();
    let mut tenant = MigrationSet::new("tenant").unwrap();
    for file in MIGRATIONS.files() {
        let sql = file.contents_utf8().unwrap();
        let needed = sql.lines().next().and_then(|line| line.strip_prefix("-- needs "));
        if needed.is_some_and(|needed| !available.iter().any(|available| available == needed)) {
            continue;
        }
        extensions.extend(needed.map(|needed| format!("CREATE EXTENSION {needed} SCHEMA public;")));
        let title = file.path().file_stem().unwrap().to_str().unwrap();
        tenant = tenant.with_migration(title, || sql.to_owned()).unwrap();
    }
    assert!(tenant.migrations().len() >= 50, "{}", tenant.migrations().len());
    let plans =
        "CREATE TABLE plans (code text PRIMARY KEY, price int); INSERT INTO plans VALUES ('free', 0), ('gold', 9);";
    let shared = set("shared", &[("V1__plans", &format!("{}{plans}", extensions.concat()))]);
    crate::fixture::of(shared, tenant).shared_schema("shared".parse().unwrap())
}

#[test]
fn a_tenant_that_is_created_equals_one_that_was_upgraded_step_by_step() {
    let migrator = realistic();
    let difference = Difference::between_fresh_and_upgraded(&migrator).unwrap();
    assert!(difference.is_empty(), "{difference}");
}

#[test]
fn only_what_a_block_made_temporary_is_sent_without_its_schema() {
    let migrator = realistic();
    let unqualified = |set: &MigrationSet| {
        let found = set.migrations().iter().filter(|migration| migration.unqualified_statements() > 0);
        found.map(|migration| migration.title().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(unqualified(migrator.tenant_set()), ["V56__backfill_in_a_block"]);
    assert_eq!(unqualified(&migrations_tenant::set().unwrap()), Vec::<String>::new());
    assert_eq!(unqualified(&migrations_shared::set().unwrap()), Vec::<String>::new());
}

#[test]
fn the_reference_sets_make_the_same_tenant_at_once_and_step_by_step() {
    let migrator = crate::fixture::of(migrations_shared::set().unwrap(), migrations_tenant::set().unwrap());
    let difference = Difference::between_fresh_and_upgraded(&migrator).unwrap();
    assert!(difference.is_empty(), "{difference}");
}

#[test]
fn a_difference_between_a_new_tenant_and_an_upgraded_one_is_shown() {
    // Each change depends on whether the table was created by the same transaction.
    let statement =
        "DO $$ BEGIN IF EXISTS (SELECT FROM notes WHERE made = pg_current_xact_id()::text) THEN %s; END IF; END $$";
    let first = "CREATE TABLE notes (id int, made text); INSERT INTO notes VALUES (1, pg_current_xact_id()::text);
                 CREATE FUNCTION norm(a int) RETURNS int LANGUAGE sql AS 'SELECT a'; CREATE TYPE mood AS ENUM ('good');
                 CREATE SEQUENCE numbers; CREATE VIEW shown AS SELECT id FROM notes";
    for (change, shown) in [
        ("ALTER TABLE notes ADD COLUMN b int", "column"),
        ("ALTER TABLE notes ALTER COLUMN id SET DEFAULT 5", "column"),
        ("CREATE INDEX notes_id ON notes (id)", "index"),
        ("ALTER TABLE notes ADD CHECK (id > 0)", "constraint"),
        ("COMMENT ON TABLE notes IS ''x''", "comment on table"),
        ("GRANT SELECT ON notes TO PUBLIC", "owner of table notes"),
        ("CREATE POLICY p ON notes", "policy"),
        ("CREATE RULE r AS ON DELETE TO notes DO INSTEAD NOTHING", "rule"),
        ("CREATE OR REPLACE FUNCTION norm(a int) RETURNS int LANGUAGE sql AS ''SELECT 2''", "function"),
        ("REVOKE EXECUTE ON FUNCTION norm(int) FROM PUBLIC", "owner of function norm"),
        ("ALTER TYPE mood RENAME VALUE ''good'' TO ''fine''", "type"),
        ("ALTER SEQUENCE numbers INCREMENT 2", "sequence"),
        ("PERFORM nextval(''numbers'')", "sequence"),
        ("CREATE OR REPLACE VIEW shown AS SELECT id FROM notes WHERE id = 1", "view"),
        ("UPDATE notes SET id = 2", "row of notes"),
    ] {
        let second = statement.replace("%s", &format!("EXECUTE '{change}'"));
        let second =
            if change.starts_with("PERFORM") { statement.replace("%s", &change.replace("''", "'")) } else { second };
        // The column that tells the tenants apart is dropped, and only the difference is left.
        let third = "ALTER TABLE notes DROP COLUMN made CASCADE";
        let tenant = set("tenant", &[("V1__first", first), ("V2__second", &second), ("V3__third", third)]);
        let difference =
            Difference::between_fresh_and_upgraded(&crate::fixture::of(set("shared", &[]), tenant)).unwrap();
        let lines = || difference.only_fresh.iter().chain(&difference.only_upgraded);
        assert!(lines().any(|line| line.starts_with(shown)), "{change}: {difference}");
    }
}
