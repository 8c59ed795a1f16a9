//! A folder for each project, its URL, `psql`, and a reset.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::site::{Site, binary, connect, has_program, make_project, stderr, stdout, succeeded};

/// Removes a folder outside of the site, and its lock.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
        let _ = fs::remove_file(self.0.with_added_extension("lock"));
    }
}

/// The folder of the project's server, below a folder for a user's data that is this test's own, except for root.
fn default_folder(site: &Site, project: &Path) -> Removed {
    let found = migrations_embedded::Project::of_directory(project).unwrap().folder().unwrap();
    let is_root = found.starts_with("/var/lib/migrate");
    Removed(if is_root { found } else { site.home().join("data/migrate").join(found.file_name().unwrap()) })
}

/// `dev url` in a directory, by a program of this name.
fn url(site: &Site, directory: &Path, program: &str) -> Output {
    let mut command = binary(directory);
    let data = site.home().join("data");
    let output = command.arg0(program).args(["dev", "url"]).env("XDG_DATA_HOME", data).output().unwrap();
    succeeded(output)
}

#[test]
fn two_checkouts_of_a_project_have_two_servers_whose_folders_name_them() {
    let site = Site::empty();
    let checkouts = ["one", "two"].map(|name| site.home().join(name).join("orders"));
    let folders = checkouts.each_ref().map(|project| {
        make_project(project);
        fs::create_dir_all(project.join("src")).unwrap();
        default_folder(&site, project)
    });
    let urls = checkouts.each_ref().map(|project| stdout(&url(&site, &project.join("src"), "orders")));
    assert_ne!(urls[0], urls[1]);
    for (checkout, folder) in checkouts.iter().zip(&folders) {
        let named = fs::read_to_string(folder.0.join("project")).unwrap();
        assert_eq!(Path::new(named.trim_end()), fs::canonicalize(checkout).unwrap());
        assert_eq!(stdout(&url(&site, checkout, "orders")), urls[usize::from(checkout != &checkouts[0])]);
    }
}

#[test]
fn the_data_of_an_earlier_release_in_its_default_folder_is_pointed_out() {
    let site = Site::empty();
    let project = site.home().join("shop");
    make_project(&project);
    let folder = default_folder(&site, &project);
    let program = format!("shop-{}", std::process::id());
    let old = Removed(folder.0.with_file_name(&program));
    fs::create_dir_all(old.0.join("data")).unwrap();
    fs::write(old.0.join("data/PG_VERSION"), "15\n").unwrap();
    let mut command = binary(&project);
    command.arg0(&program).args(["--embedded", "status"]).env("XDG_DATA_HOME", site.home().join("data"));
    let said = stderr(&command.output().unwrap());
    let note = format!("{} has the data of an earlier release", old.0.display());
    assert!(said.starts_with(&note) && said.contains(&format!("--embedded={}`", old.0.display())), "{said}");
}

#[test]
fn the_url_is_the_same_whether_the_server_runs_or_not() {
    let site = Site::empty();
    let before = succeeded(site.run(&["dev", "url"]));
    assert_eq!(stderr(&before), "the server does not run; `migrate dev` starts it\n");
    let dev = site.dev(&[]);
    let during = succeeded(site.run(&["dev", "url"]));
    assert_eq!(stderr(&during), format!("the server runs: process {} (migrate)\n", dev.id()));
    assert_eq!(stdout(&during), format!("{}\n", dev.first_line));
    assert_eq!(stdout(&before), stdout(&during));
    let json = succeeded(site.run(&["dev", "url", "--format", "json"]));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json, serde_json::json!({ "url": dev.first_line, "running": true }));
}

#[test]
fn psql_joins_the_server_or_starts_it() {
    if !has_program("psql") {
        return;
    }
    let site = Site::new();
    let psql = |args: &[&str]| site.run(&[&["dev", "psql", "-X", "-A", "-t", "-q"], args].concat());
    let ask = ["-c", "SELECT current_user, current_database()"];
    assert_eq!(stdout(&succeeded(psql(&ask))), "orders|orders\n");
    assert!(site.is_at_rest());
    assert_eq!(psql(&["-d", "no_such_database"]).status.code(), Some(2), "the exit code is psql's");

    let dev = site.dev(&[]);
    assert_eq!(stdout(&succeeded(psql(&ask))), "orders|orders\n");
    let superuser = psql(&["-U", "postgres", "-c", "CREATE ROLE reports; SELECT current_user"]);
    assert!(stdout(&succeeded(superuser)).ends_with("postgres\n"));
    connect(&dev.first_line).batch_execute("SELECT 'reports'::regrole").unwrap();
}

#[test]
fn a_reset_begins_anew_and_is_refused_while_another_process_runs_the_server() {
    let site = Site::new();
    let dev = site.dev(&["--create", "acme"]);
    let url = dev.first_line.clone();
    for args in [&["dev", "reset"][..], &["--reset", "up"]] {
        let refused = site.run(args);
        assert_eq!(refused.status.code(), Some(1));
        let said = stderr(&refused);
        assert!(said.contains(&format!("process {} (migrate) runs it; nothing was touched", dev.id())), "{said}");
    }
    assert_eq!(connect(&url).query("SELECT FROM migrations.tenants", &[]).unwrap().len(), 1);
    drop(dev);

    let reset = succeeded(site.run(&["dev", "reset", "--create", "globex"]));
    let removed = format!("removed {}\n", site.folder.join("data").display());
    assert!(stderr(&reset).contains(&removed), "{}", stderr(&reset));
    let dev = site.dev(&[]);
    assert_eq!(dev.first_line, url);
    let tenants = connect(&url).query("SELECT schema_name::text FROM migrations.tenants", &[]).unwrap();
    assert_eq!(tenants.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["globex"]);
}

#[test]
fn data_of_an_earlier_release_stays_in_use_and_the_user_is_told() {
    let site = Site::empty();
    let old = migrations_embedded::Server::builder().start_kept(&site.folder).unwrap();
    let mut up = Command::new(env!("CARGO_BIN_EXE_migrate"));
    up.args(["up", "--create", "acme"]).env("DATABASE_URL", old.url("postgres"));
    succeeded(up.output().unwrap());
    old.stop().unwrap();

    let listed = succeeded(site.run(&["tenant", "list"]));
    assert!(stdout(&listed).contains("acme"), "{}", stdout(&listed));
    let said = stderr(&listed);
    assert!(said.contains("an earlier release made this data: it stays in the database `postgres`"), "{said}");
    assert!(said.contains("`migrate dev reset`"), "{said}");
}
