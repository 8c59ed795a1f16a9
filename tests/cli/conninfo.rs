//! Where the database is: the URL, a service file, libpq's variables, families of variables, `--env-file`, the password
//! file and `--password-command`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use migrations_embedded::Server;
use tempfile::TempDir;

use crate::site::{NOBODY_LISTENS, PASSWORD, Ran, assert_page, binary};

/// A server that asks for a password over TCP, with a database `shop` of a role `app`, and a folder for files.
struct Guarded {
    _server: Server,
    port: String,
    folder: TempDir,
}

impl Guarded {
    fn new() -> Self {
        let server = Server::builder().tcp(true).start_throwaway().unwrap();
        let port = server.tcp_port().unwrap().to_string();
        let mut admin = postgres::Client::connect(&server.url("postgres"), postgres::NoTls).unwrap();
        admin.batch_execute(&format!("CREATE ROLE app LOGIN PASSWORD '{PASSWORD}'")).unwrap();
        admin.batch_execute("CREATE DATABASE shop OWNER app").unwrap();
        Self { _server: server, port, folder: TempDir::new().unwrap() }
    }

    fn url(&self) -> String {
        format!("postgres://app@127.0.0.1:{}/shop", self.port)
    }

    /// A file that only its owner can read.
    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        protect(&file, 0o600);
        file
    }

    /// Runs `status` with these variables, in a home without files.
    fn status(&self, variables: &[(&str, &str)], args: &[&str]) -> Ran {
        let mut command = binary(&[&["status", "--format", "json"], args].concat());
        command.env("HOME", self.folder.path().join("nowhere")).env("USER", "nobody");
        Ran::new(command.envs(variables.iter().copied()).output().unwrap())
    }

    /// Runs, and expects to reach the database.
    fn reaches(&self, variables: &[(&str, &str)], args: &[&str]) {
        let ran = self.status(variables, args);
        assert_eq!(ran.code, 0, "{variables:?} {args:?}: {}", ran.stderr);
    }

    /// Runs, and expects that the server asks for a password in vain; returns stderr.
    fn has_no_password(&self, variables: &[(&str, &str)], args: &[&str]) -> String {
        let ran = self.status(variables, args);
        assert_eq!(ran.code, 1, "{variables:?} {args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("password missing"), "{}", ran.stderr);
        ran.stderr
    }
}

fn protect(file: &Path, mode: u32) {
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn every_source_names_the_database_and_the_password() {
    let site = Guarded::new();
    let (url, port) = (site.url(), site.port.clone());
    site.has_no_password(&[("DATABASE_URL", &url)], &[]);
    site.reaches(&[("DATABASE_URL", &url), ("PGPASSWORD", PASSWORD)], &[]);
    site.reaches(&[("PGPASSWORD", PASSWORD), ("PGHOST", "nowhere.invalid")], &["--database-url", &url]);
    let pairs = format!("host=127.0.0.1 port={port} user=app dbname=shop password={PASSWORD}");
    site.reaches(&[("DATABASE_URL", &pairs), ("PGPASSWORD", "wrong")], &[]);
    site.reaches(
        &[
            ("PGHOSTADDR", "127.0.0.1"),
            ("PGPORT", &port),
            ("PGUSER", "app"),
            ("PGDATABASE", "shop"),
            ("PGPASSWORD", PASSWORD),
        ],
        &[],
    );
    for (prefix, name) in [("POSTGRES", "DB"), ("POSTGRES", "DATABASE"), ("DB", "NAME"), ("DB", "DATABASE")] {
        let parts = [("HOST", "127.0.0.1"), ("PORT", &port), ("USER", "app"), ("PASSWORD", PASSWORD), (name, "shop")];
        let family = parts.map(|(part, value)| (format!("{prefix}_{part}"), value));
        let family: Vec<_> = family.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        site.reaches(&family, &[]);
        // A URL comes first.
        let with_url = [&family[..], &[("DATABASE_URL", NOBODY_LISTENS)]].concat();
        assert!(site.status(&with_url, &[]).stderr.contains("127.0.0.1:1 as app"));
    }
}

#[test]
fn a_service_file_names_the_database() {
    let site = Guarded::new();
    let lines = format!("[shop]\nhost=127.0.0.1\nport={}\nuser=app\ndbname=shop\npassword={PASSWORD}\n", site.port);
    let file = site.file("services", &format!("[other]\nhost=nowhere.invalid\n{lines}"));
    let of_file = ("PGSERVICEFILE", text(&file));
    site.reaches(&[of_file, ("PGSERVICE", "shop")], &[]);
    site.reaches(&[of_file, ("PGSERVICE", "other")], &["--database-url", "postgres://?service=shop"]);
    site.reaches(&[of_file, ("PGSERVICE", "shop"), ("PGHOST", "nowhere.invalid"), ("PGPASSWORD", "wrong")], &[]);
    let missing = site.status(&[of_file, ("PGSERVICE", "nobody")], &[]);
    assert_eq!(missing.code, 2);
    let page = missing.page().replace(text(&file), "[file]");
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!("conninfo_no_service", page) });
}

#[test]
fn the_password_file_has_the_password_unless_others_can_read_it() {
    let site = Guarded::new();
    let url = site.url();
    let file = site.file("passwords", &format!("db:*:*:*:wrong\n127.0.0.1:{}:shop:app:{PASSWORD}\n", site.port));
    let variables = [("DATABASE_URL", url.as_str()), ("PGPASSFILE", text(&file))];
    site.reaches(&variables, &[]);
    protect(&file, 0o644);
    let told = site.has_no_password(&variables, &[]);
    assert!(told.contains("passwords is ignored: others can read it"), "{told}");
    // A password of a higher source counts.
    site.file("passwords", "*:*:*:*:wrong\n");
    site.reaches(&[&variables[..], &[("PGPASSWORD", PASSWORD)]].concat(), &[]);
}

#[test]
fn variables_of_a_file_count_where_the_environment_has_none() {
    let site = Guarded::new();
    let lines = format!(
        "# the shop\nexport DB_HOST=127.0.0.1\nDB_PORT=\"{}\"\nDB_USER=app\nDB_PASSWORD='{PASSWORD}'\n\
         DB_NAME=shop # here\n",
        site.port
    );
    let file = site.file("shop.env", &lines);
    let with_file = ["--env-file", text(&file)];
    site.reaches(&[], &with_file);
    assert!(site.status(&[], &[]).stderr.contains("no database is named"), "nothing is read without the option");
    let wrong = site.status(&[("DB_PASSWORD", "wrong")], &with_file);
    assert!(wrong.code == 1 && wrong.stderr.contains("28P01"), "{}", wrong.stderr);
    let timeouts = site.file("timeouts.env", &format!("{lines}MIGRATE_LOCK_TIMEOUT=4s\n"));
    let told = site.status(&[], &["--env-file", text(&timeouts), "-v"]).succeeded().stderr;
    assert!(told.contains("lock 4s (MIGRATE_LOCK_TIMEOUT)"), "{told}");

    let broken = site.file("broken.env", &format!("A=1\nDB_PASSWORD={PASSWORD} b\n"));
    let page = site.status(&[], &["--env-file", text(&broken)]).page().replace(text(&broken), "[file]");
    insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!("conninfo_broken_env_file", page) });
    let missing = site.status(&[], &["--env-file", "/nowhere/.env"]);
    assert_eq!(missing.code, 2, "{}", missing.stderr);
}

#[test]
fn a_command_knows_the_password() {
    let site = Guarded::new();
    let (url, file) = (site.url(), site.file("secret", &format!("{PASSWORD}\nmore\n")));
    let command = format!("cat '{}'", text(&file));
    site.reaches(&[("DATABASE_URL", &url), ("PGPASSWORD", "wrong")], &["--password-command", &command]);
    let failing = ["--password-command", "cat \"$SECRET\"; echo 'no such secret' >&2; exit 7"];
    let variables = [("DATABASE_URL", url.as_str()), ("SECRET", text(&file))];
    let failed = site.status(&variables, &failing);
    // It is asked again for as long as the command waits for the server.
    assert_page!("conninfo_password_command", failed.page());
}

#[test]
fn families_that_contradict_each_other_are_named_in_the_log() {
    let site = Guarded::new();
    let first = [("POSTGRES_HOST", "127.0.0.1"), ("POSTGRES_PORT", site.port.as_str()), ("POSTGRES_USER", "app")];
    let more = [("POSTGRES_DB", "shop"), ("POSTGRES_PASSWORD", PASSWORD), ("DB_HOST", "nowhere.invalid")];
    let ran = site.status(&[&first[..], &more[..]].concat(), &[]).succeeded();
    assert!(ran.stderr.contains("POSTGRES_* and DB_* differ in host: POSTGRES_* is used"), "{}", ran.stderr);
}

#[test]
fn a_parameter_that_cannot_be_used_is_a_usage_error_that_names_its_source() {
    for (name, url) in [
        ("conninfo_unknown", "postgres://app@localhost/app?sslmod=disable"),
        ("conninfo_refused", "postgres://app@localhost/app?sslcrl=/etc/crl.pem"),
        ("conninfo_choice", "host=localhost sslmode=always"),
        ("conninfo_port", "postgres://app@localhost:54x2/app"),
        ("conninfo_percent", "postgres://app:50%off@localhost/app"),
    ] {
        let ran = Ran::new(binary(&["status", "--database-url", url]).output().unwrap());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{url}: {}", ran.stderr);
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, ran.page()) });
    }
    let ran = Ran::new(binary(&["status"]).env("PGHOST", "localhost").env("PGPORT", "x").output().unwrap());
    assert!(ran.code == 2 && ran.stderr.contains("port, from the variable PGPORT, "), "{}", ran.stderr);
}
