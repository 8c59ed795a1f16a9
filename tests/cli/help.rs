//! `--help`.

use crate::site::run;

#[test]
fn every_command_explains_itself() {
    let commands: [(&str, &[&str]); 29] = [
        ("help", &[]),
        ("help_up", &["up"]),
        ("help_status", &["status"]),
        ("help_wait", &["wait"]),
        ("help_import", &["import"]),
        ("help_tenant", &["tenant"]),
        ("help_tenant_create", &["tenant", "create"]),
        ("help_tenant_list", &["tenant", "list"]),
        ("help_tenant_show", &["tenant", "show"]),
        ("help_tenant_domain", &["tenant", "domain"]),
        ("help_tenant_domain_add", &["tenant", "domain", "add"]),
        ("help_tenant_adopt", &["tenant", "adopt"]),
        ("help_tenant_forget", &["tenant", "forget"]),
        ("help_tenant_baseline", &["tenant", "baseline"]),
        ("help_baseline", &["baseline"]),
        ("help_baseline_shared", &["baseline", "shared"]),
        ("help_repair", &["repair"]),
        ("help_pool", &["pool"]),
        ("help_pool_fill", &["pool", "fill"]),
        ("help_pool_status", &["pool", "status"]),
        ("help_pool_drain", &["pool", "drain"]),
        ("help_database", &["database"]),
        ("help_database_create", &["database", "create"]),
        ("help_database_drop", &["database", "drop"]),
        ("help_dev", &["dev"]),
        ("help_dev_url", &["dev", "url"]),
        ("help_dev_psql", &["dev", "psql"]),
        ("help_dev_reset", &["dev", "reset"]),
        ("help_dev_upgrade", &["dev", "upgrade"]),
    ];
    for (name, command) in commands {
        let ran = run(&[command, &["--help"]].concat()).succeeded();
        assert_eq!(ran.stderr, "");
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, ran.stdout) });
    }
}

#[test]
fn the_version_is_the_binary_s_and_the_framework_s() {
    let ran = run(&["--version"]).succeeded();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(ran.stdout, format!("migrate {version} (migrations-cli {version})\n"));
}
