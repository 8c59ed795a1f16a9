//! A command runs with the server, signals end both, and the exit code is the command's.

use std::io::{Read, Write};

use crate::site::{Site, connect, soon, stderr, stdout, succeeded};

#[test]
fn a_command_finds_the_migrated_database_in_its_environment() {
    let site = Site::empty();
    let variables = "$DATABASE_URL $PGHOST $PGPORT $PGUSER $PGPASSWORD $PGDATABASE ${PGSSLMODE-none} \
                     ${PGOPTIONS-none} ${PGTARGETSESSIONATTRS-none} ${PGCHANNELBINDING-none} ${PGSSLROOTCERT-none}";
    let script = format!("echo \"{variables}\"; read line; echo \"read $line\"; exit 7");
    let mut command = site.command(&["dev", "--create", "acme", "--", "sh", "-c", &script]);
    command.env("DATABASE_URL", "postgres://other/other").env("PGSSLMODE", "require");
    command.env("PGOPTIONS", "-cx").env("PGTARGETSESSIONATTRS", "standby").env("PGCHANNELBINDING", "require");
    command.env("PGSSLROOTCERT", "system");
    let mut dev = crate::site::Dev::spawn(command);

    let line = dev.first_line.clone();
    let [url, host, port, user, password, database, others @ ..] = &line.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    assert_eq!(*url, format!("postgres://{user}:{password}@{host}:{port}/{database}"));
    assert_eq!((*host, *user, *database, others), ("127.0.0.1", "orders", "orders", ["none"; 5].as_slice()));
    let tenants = connect(url).query("SELECT schema_name::text FROM migrations.tenants", &[]).unwrap();
    assert_eq!(tenants[0].get::<_, String>(0), "acme");

    dev.child.stdin.take().unwrap().write_all(b"a line\n").unwrap();
    assert_eq!(dev.code(), Some(7));
    let mut rest = String::new();
    dev.stdout.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "read a line\n", "stdout is the command's alone");
    assert!(site.is_at_rest());
}

#[test]
fn without_a_command_the_url_is_printed_and_a_signal_ends_the_server() {
    let site = Site::new();
    let mut urls = Vec::new();
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut dev = site.dev(&[]);
        connect(&dev.first_line).batch_execute("SELECT FROM migrations.tenants").unwrap();
        dev.signal(signal);
        assert_eq!(dev.code(), Some(code));
        assert!(!site.folder.join("data/postmaster.pid").exists(), "the server was stopped before the process ended");
        urls.push(dev.first_line.clone());
    }
    assert_eq!(urls[0], urls[1]);
}

#[test]
fn a_signal_is_passed_on_and_the_command_decides_the_exit_code() {
    let site = Site::new();
    for signal in ["INT", "TERM"] {
        let script = format!("trap 'exit 9' {signal}; echo ready; while :; do sleep 0.05; done");
        let mut dev = site.dev(&["--", "sh", "-c", &script]);
        dev.signal(signal);
        assert_eq!(dev.code(), Some(9), "{signal}");
        assert!(site.is_at_rest());
    }
    let mut dev = site.dev(&["--", "sh", "-c", "echo ready; kill -KILL $$"]);
    assert_eq!(dev.code(), Some(128 + 9), "as a shell reports it");
}

#[test]
fn after_kill_9_no_server_is_left_and_the_next_start_works_at_once() {
    let site = Site::new();
    let mut dev = site.dev(&["--create", "acme"]);
    let url = dev.first_line.clone();
    dev.child.kill().unwrap();
    dev.child.wait().unwrap();
    // The server may still be stopping.
    let next = site.dev(&[]);
    assert_eq!(next.first_line, url);
    let mut client = connect(&url);
    assert_eq!(client.query("SELECT FROM migrations.tenants", &[]).unwrap().len(), 1);
    drop(next);
    assert!(site.is_at_rest());
    assert!(soon(|| client.is_closed() || client.batch_execute("SELECT 1").is_err()));
}

#[test]
fn a_server_that_dies_is_told() {
    let site = Site::new();
    let dev = site.dev(&[]);
    let pid = std::fs::read_to_string(site.folder.join("data/postmaster.pid")).unwrap();
    crate::site::signal(pid.lines().next().unwrap().parse().unwrap(), "KILL");
    let mut dev = dev;
    assert_eq!(dev.code(), Some(1));
    let mut said = String::new();
    dev.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("has ended; its log ends with:"), "{said}");
}

#[test]
fn a_command_does_not_run_without_its_migrations() {
    let site = Site::new();
    let dev = site.dev(&[]);
    connect(&dev.first_line).batch_execute("CREATE SCHEMA globex").unwrap();
    drop(dev);
    let output = site.run(&["dev", "--create", "globex", "--", "sh", "-c", "echo it runs"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("schema globex exists"), "{}", stderr(&output));
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    let site = Site::new();
    let output = site.run(&["dev", "--", "no-such-program"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(stderr(&output).contains("error: cannot run \"no-such-program\": "), "{}", stderr(&output));
    let output = site.run(&["dev", "--", "/"]);
    assert_eq!(output.status.code(), Some(126));
}

#[test]
fn dev_uses_no_other_database() {
    let site = Site::empty();
    for (args, said) in [
        (&["dev", "--database-url", "postgres://h/d"][..], "leave out --database-url"),
        (&["dev", "--reset"], "`dev reset` removes the server's data"),
    ] {
        let output = site.run(args);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }
    assert!(!site.folder.exists());
    succeeded(site.run(&["dev", "--help"]));
}
