//! `database`.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::site::{PASSWORD, Ran, Site, assert_page};

/// A database beside the site's, which does not exist at first.
struct Beside {
    site: Site,
    name: String,
}

impl Beside {
    fn new() -> Self {
        let site = Site::new();
        let name = format!("{}_beside", site.test.name());
        Self { site, name }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.site.command(args);
        command.env("DATABASE_URL", self.site.url().replace(self.site.test.name(), &self.name));
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// The whole result as a snapshot, without what differs in every run.
    fn page(&self, args: &[&str]) -> String {
        let here = self.site.test.database().to_string().replace(self.site.test.name(), &self.name);
        self.run(args).page().replace(&here, "[database]").replace(&self.name, "[name]")
    }

    fn exists(&self) -> bool {
        self.site.count(&format!("SELECT count(*) FROM pg_database WHERE datname = '{}'", self.name)) == 1
    }

    /// Runs `database drop` on a terminal, and types an answer.
    fn type_in(&self, answer: &str) -> (i32, String) {
        let mut terminal = Command::new("script");
        let binary = env!("CARGO_BIN_EXE_migrate");
        terminal.args(["-qec", &format!("'{binary}' database drop"), "/dev/null"]);
        let url = self.site.url().replace(self.site.test.name(), &self.name);
        terminal.env("DATABASE_URL", url).env("NO_COLOR", "1").env("SHELL", "/bin/sh");
        let mut child = terminal.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The terminal closes with its stdin, so stdin stays open until the command has ended.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(answer.as_bytes()).unwrap();
        stdin.flush().unwrap();
        let mut shown = String::new();
        std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut shown).unwrap();
        let code = child.wait().unwrap().code().unwrap();
        drop(stdin);
        assert!(!shown.contains(PASSWORD), "{shown}");
        (code, shown)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if let Ok(mut client) = self.site.test.client() {
            let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
        }
    }
}

#[test]
fn a_database_is_created_once_and_dropped_once() {
    let beside = Beside::new();
    let missing = beside.run(&["up"]);
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("`migrate database create` creates the database"), "{}", missing.stderr);
    assert_page!("database_drop_of_none", beside.page(&["database", "drop", "--yes"]));

    assert_page!("database_create", beside.page(&["database", "create"]));
    assert!(beside.exists());
    assert_page!("database_create_again", beside.page(&["database", "create"]));
    beside.run(&["up", "--create", "acme"]).succeeded();

    assert_page!("database_drop_unattended", beside.page(&["database", "drop"]));
    assert!(beside.exists());
    assert_page!("database_drop", beside.page(&["database", "drop", "--yes"]));
    assert!(!beside.exists());
}

#[test]
fn the_result_is_one_object_in_json() {
    let beside = Beside::new();
    for (args, key, value) in [
        (&["database", "create"][..], "created", true),
        (&["database", "create"], "created", false),
        (&["database", "drop", "--yes"], "dropped", true),
        (&["database", "drop", "--yes"], "dropped", false),
    ] {
        let ran = beside.run(&[args, &["--format", "json"]].concat()).succeeded();
        assert_eq!(ran.json(), json!({"database": beside.name, key: value}), "{args:?}");
    }
    let refused = beside.run(&["database", "drop", "--format", "json"]);
    let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(refused.code == 2 && message.contains("stdin is not a terminal"), "{message}");
}

#[test]
fn on_a_terminal_the_name_has_to_be_typed() {
    let beside = Beside::new();
    beside.run(&["database", "create"]).succeeded();
    let (code, shown) = beside.type_in("yes\n");
    assert!(code == 1 && shown.contains("its name was not typed"), "{code}: {shown}");
    assert!(shown.contains("will be lost with all its data. Type its name to drop it: "), "{shown}");
    assert!(beside.exists());
    let (code, shown) = beside.type_in(&format!("{}\n", beside.name));
    assert!(code == 0 && shown.contains("dropped database"), "{code}: {shown}");
    assert!(!beside.exists());
}

#[test]
fn a_database_in_use_is_dropped_by_force_only() {
    let beside = Beside::new();
    beside.run(&["database", "create"]).succeeded();
    let mut config = beside.site.test.database().config().clone();
    let mut session = config.dbname(&beside.name).connect(postgres::NoTls).unwrap();
    let refused = beside.run(&["database", "drop", "--yes"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("55006"), "{}", refused.stderr);
    let advice = "`migrate database drop --force` ends the sessions that use it";
    assert!(refused.stderr.contains(advice), "{}", refused.stderr);
    beside.run(&["database", "drop", "--yes", "--force"]).succeeded();
    assert!(!beside.exists());
    assert!(session.batch_execute("SELECT 1").is_err());
}

#[test]
fn the_server_s_own_databases_and_templates_are_never_dropped() {
    let beside = Beside::new();
    beside.run(&["database", "create"]).succeeded();
    beside.site.execute(&format!("ALTER DATABASE {} IS_TEMPLATE true", beside.name));
    let refused = beside.run(&["database", "drop", "--yes", "--force"]);
    beside.site.execute(&format!("ALTER DATABASE {} IS_TEMPLATE false", beside.name));
    assert!(refused.code == 2 && beside.exists(), "{}", refused.stderr);
    for name in ["postgres", "template0", "template1"] {
        let mut command = beside.site.command(&["database", "drop", "--yes", "--force"]);
        command.env("DATABASE_URL", beside.site.url().replace(beside.site.test.name(), name));
        let refused = Ran::new(command.output().unwrap());
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.starts_with(&format!("error: database {name} is not dropped")), "{}", refused.stderr);
        assert_eq!(beside.site.count(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")), 1);
    }
}

#[test]
fn a_database_has_the_owner_and_the_template_that_are_named() {
    let beside = Beside::new();
    let owner = format!("{}-Owner", beside.name);
    beside.site.execute(&format!("CREATE ROLE \"{owner}\""));
    beside.run(&["database", "create", "--owner", &owner, "--template", "template0"]).succeeded();
    let is_owned = beside.site.count(&format!(
        "SELECT count(*) FROM pg_database WHERE datname = '{}' AND pg_get_userbyid(datdba) = '{owner}'",
        beside.name
    ));
    beside.run(&["database", "drop", "--yes"]).succeeded();
    beside.site.execute(&format!("DROP ROLE \"{owner}\""));
    assert_eq!(is_owned, 1);
    let refused = beside.run(&["database", "create", "--template", "no_such_template"]);
    assert!(refused.code == 1 && refused.stderr.contains("no_such_template"), "{}", refused.stderr);
}
