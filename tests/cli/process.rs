//! The process: streams, colours, the log, the private server.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::site::{NOBODY_LISTENS, Ran, Site, assert_page, binary};

#[test]
fn an_operator_s_first_day() {
    let site = Site::new();
    assert_page!("status_of_an_empty_database", site.page(&["status"]));
    assert_page!("up_on_an_empty_database", site.page(&["up"]));
    assert_page!("up_creates_a_tenant", site.page(&["up", "--create", "acme"]));
    assert_page!("up_again", site.page(&["up"]));
    assert_page!("up_shared_only", site.page(&["up", "--shared-only"]));
    assert_page!("tenant_create", site.page(&["tenant", "create", "acme", "globex"]));
    assert_page!("domain_add", site.page(&["tenant", "domain", "add", "acme", "Shop.Example.com", "--primary"]));
    assert_page!("tenant_list", site.page(&["tenant", "list"]));
    assert_page!("tenant_show", site.page(&["tenant", "show", "acme"]));
    assert_page!("status", site.page(&["status"]));
    assert_page!("wait", site.page(&["wait"]));
}

#[test]
fn colour_is_for_terminals_and_for_who_insists() {
    let site = Site::with_tenants(&["acme"]);
    let is_coloured = |variables: &[(&str, &str)]| {
        let mut command = site.command(&["status"]);
        command.envs(variables.iter().copied());
        Ran::new(command.output().unwrap()).stdout.contains('\x1b')
    };
    assert!(!is_coloured(&[]), "a pipe is not a terminal");
    assert!(is_coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!is_coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

#[test]
fn quiet_is_silent_on_stderr_and_v_tells_the_story() {
    let site = Site::new();
    assert_eq!(site.run(&["up", "-q", "--create", "acme"]).succeeded().stderr, "");
    assert_eq!(site.run(&["up"]).succeeded().stderr, "");

    let told = site.run(&["up", "-v", "--create", "globex"]).succeeded().stderr;
    assert!(told.contains("tenant globex created"), "{told}");
    assert!(!told.contains("refinery_core") && !told.contains("tokio_postgres"), "{told}");
    assert!(!told.contains("DEBUG"), "{told}");

    let mut command = site.command(&["up", "-v", "--create", "initech"]);
    command.env("RUST_LOG", "error");
    assert_eq!(Ran::new(command.output().unwrap()).succeeded().stderr, "", "RUST_LOG overrides -v");
    let mut command = site.command(&["up", "-q", "--create", "umbrella"]);
    command.env("RUST_LOG", "info");
    assert!(Ran::new(command.output().unwrap()).succeeded().stderr.contains("tenant umbrella created"));
}

/// Starts the command and closes its stdout before it writes anything.
fn without_a_reader(mut command: Command) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child
}

#[test]
fn a_reader_that_goes_away_does_no_harm() {
    let site = Site::with_tenants(&["acme"]);
    for args in [&["--help"][..], &["status"], &["status", "--format", "json"], &["up", "--create", "globex"]] {
        let ran = Ran::new(without_a_reader(site.command(args)).wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("error"), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 2, "the command did its work");
}

#[cfg(unix)]
#[test]
fn an_embedded_server_keeps_its_data_from_one_command_to_the_next() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    // As root, the server runs as another user, who needs access to the folder.
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let folder = home.path().join("server");
    let embedded = format!("--embedded={}", folder.display());
    let run = |args: &[&str]| {
        let mut command = binary(&[&[embedded.as_str()], args].concat());
        // A URL in the environment is only a default.
        command.env("DATABASE_URL", NOBODY_LISTENS);
        Ran::new(command.output().unwrap()).succeeded()
    };

    let first = run(&["up", "--create", "acme", "--format", "json"]);
    assert_eq!(first.json()["tenants"]["created"], json!(1));
    let note = format!("private server with its data in {}, which is kept\n", folder.display());
    assert!(first.stderr.starts_with(&note), "{}", first.stderr);

    let second = run(&["up", "--create", "acme", "--format", "json", "-q"]);
    assert_eq!((&second.json()["shared"]["applied"], &second.json()["tenants"]["created"]), (&json!([]), &json!(0)));
    assert_eq!(second.stderr, "");
    assert!(!folder.join("data/postmaster.pid").exists(), "the server was stopped");
}
