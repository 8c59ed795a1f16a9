//! Several processes at once, running the real binary.

use std::process::{Command, Stdio};

use migrations_core::State;
use migrations_testing::TestDatabase;

use crate::fixture::{history, number};

/// The binary on this database, without the environment's settings for another one.
fn command(test: &TestDatabase, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG") || name == "RUST_LOG") {
        command.env_remove(variable);
    }
    command.env("DATABASE_URL", test.url()).args(arguments).stdin(Stdio::null());
    command
}

#[test]
fn eight_processes_that_run_up_at_once_all_succeed_and_every_migration_runs_once() {
    let test = TestDatabase::new().unwrap();
    let tenants = ["acme", "globex", "initech", "umbrella", "hooli"];
    let mut arguments = vec!["--format", "json", "up"];
    arguments.extend(tenants.iter().flat_map(|tenant| ["--create", tenant]));

    let runs: Vec<_> = (0..8)
        .map(|_| command(&test, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();

    let mut created = 0;
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        created += report["tenants"]["created"].as_u64().unwrap();
    }
    assert_eq!(created, 5, "every tenant was made by one of them");

    let migrator = migrate::migrator().unwrap();
    let status = migrator.status(test.database()).unwrap();
    assert_eq!(status.shared.state, State::Current);
    assert!(status.tenants.iter().all(|tenant| tenant.schema.state == State::Current));
    let all: Vec<_> = migrator.tenant_set().migrations().iter().map(|m| m.version().to_string()).collect();
    for tenant in tenants {
        assert_eq!(history(&test, tenant), all);
    }
    assert_eq!(number(&test, "SELECT count(*) FROM migrations.tenants"), 5);
}
