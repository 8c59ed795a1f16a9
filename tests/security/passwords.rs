//! No text that the library or the binary writes contains a password: log, error, JSON, `Debug`.

use std::fmt::Write;
use std::process::{Command, Output, Stdio};

use migrations_core::{Database, Error};
use migrations_embedded::Server;
use postgres::config::Host;

/// Every part of a password in these tests contains this, and nothing else does: a part of a password is a leak too.
const MARK: &str = "Zq";

/// Characters with a meaning in a URL, in `key=value`, in a shell or in SQL, between marks.
const SPECIAL: &str = r#"Zq1@Zq2:Zq3/Zq4?Zq5#Zq6&Zq7=Zq8'Zq9"Zqa\Zqb%Zqc%41Zqd$$Zqe é;Zqf+Zqg,Zqh[Zqi]Zqj"#;

/// Every text that a database or an error can produce.
fn texts(database: &Result<Database, Error>) -> String {
    match database {
        Ok(database) => format!("{database} {database:?} {database:#?} {:?}", database.config()),
        Err(error) => {
            let mut text = format!("{error} {error:?} {error:#?}");
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                let _ = write!(text, " {cause} {cause:?}");
                source = cause.source();
            }
            text
        }
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        let _ = write!(encoded, "%{byte:02X}");
        encoded
    })
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

#[test]
fn a_password_that_is_written_as_it_should_be_is_taken_and_shown_nowhere() {
    for url in [
        format!("postgres://app:{}@db/shop", percent_encoded(SPECIAL)),
        format!("postgres://app@db/shop?password={}", percent_encoded(SPECIAL)),
        format!("host=db user=app password={} dbname=shop", quoted(SPECIAL)),
    ] {
        let database = Database::from_url(&url);
        let text = texts(&database);
        assert!(!text.contains(MARK), "{url}: {text}");
        let database = database.unwrap();
        assert_eq!(database.config().get_password(), Some(SPECIAL.as_bytes()), "{url}");
        assert_eq!(database.config().get_hosts(), [Host::Tcp("db".to_owned())]);
    }
}

#[test]
fn a_connection_string_that_cannot_be_read_is_not_repeated() {
    for url in [
        "postgres://app:Zq1@db:port/shop",
        "postgres://app:Zq1@[db/shop",
        "postgres://app:Zq1@db/%ff",
        "postgres://app:Zq1",
        "postgres://app:Zq1/shop",
        "postgres://app:Zq1@db/shop?connect_timeout=soon",
        "postgres://app:Zq1@db/shop?sslmode=always",
        "postgres://app:Zq1@db/shop?application_name",
        "postgres:app:Zq1@db/shop",
        "mysql://app:Zq1@db/shop",
        "host=db password='Zq1",
        "host=db port=x password=Zq1",
        "host=db password=Zq1 sslmode=Zq2",
        "host=db password=Zq1 Zq2",
        "host=db password=Zq1 port=Zq2",
        "postgres://db/shop?password=Zq1&sslmode=Zq2",
        "host=db sslpassword=Zq1",
    ] {
        let database = Database::from_url(url);
        assert!(database.is_err(), "{url}: {database:?}");
        assert!(!texts(&database).contains(MARK), "{}", texts(&database));
    }
}

#[test]
fn a_connection_string_with_a_slip_of_the_pen_is_not_repeated_in_part() {
    let mut urls: Vec<String> = [
        // The driver knows two schemes, and takes anything else for `key=value`, whose first key is the URL.
        "postgresql+psycopg://app:Zq1@db/shop?sslmode=disable",
        " postgres://app:Zq1@db/shop?sslmode=disable",
        "\"postgres://app:Zq1@db/shop?sslmode=disable\"",
        "DATABASE_URL=postgres://app:Zq1@db/shop?sslmode=disable",
        "postgres://app@db/shop?password=Zq1&Zq2=Zq3",
        "host=db password=Zq1 Zq2=Zq3",
        // A password that was not percent-encoded.
        "postgres://app:Zq1@Zq2@db/shop",
        "postgres://app:Zq1@Zq2/Zq3@db/shop",
        "postgres://app:Zq1@Zq2?Zq3=Zq4@db/shop",
    ]
    .map(str::to_owned)
    .into();
    urls.push(format!("postgres://app:{SPECIAL}@db/shop"));
    urls.push(format!("host=db user=app password={SPECIAL} dbname=shop"));
    let leaks: Vec<_> =
        urls.iter().map(|url| (url, texts(&Database::from_url(url)))).filter(|(_, text)| text.contains(MARK)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

/// The output of a run of the binary, in an environment that names no other database.
fn run(args: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    for (name, _) in std::env::vars_os() {
        if name == "DATABASE_URL" || name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    let output = command.args(args).envs(environment.iter().copied()).env("RUST_LOG", "trace").stdin(Stdio::null());
    let output = output.env("RUST_BACKTRACE", "full").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    for secret in [MARK, &percent_encoded(MARK), "5a71", "WnE"] {
        assert!(!text.contains(secret), "{args:?} says {secret}: {text}");
    }
    output
}

#[test]
fn the_binary_never_says_a_password_whatever_it_logs() {
    let server = Server::builder().tcp(true).start_throwaway().unwrap();
    let port = server.tcp_port().unwrap().to_string();
    let mut admin = postgres::Client::connect(&server.url("postgres"), postgres::NoTls).unwrap();
    let literal = SPECIAL.replace('\'', "''");
    let role = format!("CREATE ROLE app SUPERUSER LOGIN PASSWORD '{literal}'");
    admin.batch_execute(&role).unwrap();
    admin.batch_execute("CREATE DATABASE shop").unwrap();

    let url =
        |password: &str, port: &str| format!("postgres://app:{}@127.0.0.1:{port}/shop", percent_encoded(password));
    let pairs = |password: &str, port: &str| {
        format!("host=127.0.0.1 port={port} user=app dbname=shop password={}", quoted(password))
    };
    let variables = |password: &str, port: &str| {
        [("PGHOST", "127.0.0.1"), ("PGPORT", port), ("PGUSER", "app"), ("PGDATABASE", "shop"), ("PGPASSWORD", password)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec()
    };
    let forms = |password: &str, port: &str| {
        let url_variable = |value| vec![("DATABASE_URL".to_owned(), value)];
        [url_variable(url(password, port)), url_variable(pairs(password, port)), variables(password, port)]
    };
    let run_in = |args: &[&str], environment: &[(String, String)]| {
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        run(args, &environment)
    };

    for (number, environment) in forms(SPECIAL, &port).iter().enumerate() {
        let tenant = format!("tenant_{number}");
        let up = run_in(&["-vv", "up", "--create", &tenant], environment);
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        assert!(String::from_utf8_lossy(&up.stderr).contains("tokio_postgres"), "the driver's log is there too");
        assert!(run_in(&["status", "--format", "json"], environment).status.success());
    }
    assert!(run(&["--database-url", &url(SPECIAL, &port), "status"], &[]).status.success());

    // Wrong password; nothing listens; no TLS there; no such file; no such database.
    for format in ["text", "json"] {
        for environment in forms("Zqwrong 'Zq", &port).iter().chain(&forms(SPECIAL, "1")) {
            let output = run_in(&["up", "--wait", "0s", "--format", format], environment);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
        }
        let tls = url(SPECIAL, &port) + "?sslmode=require";
        assert_eq!(run(&["status", "--format", format], &[("DATABASE_URL", &tls)]).status.code(), Some(1));
        let no_file = tls + "&sslrootcert=/nowhere/root.crt";
        assert_eq!(run(&["status", "--format", format], &[("DATABASE_URL", &no_file)]).status.code(), Some(2));
        let nowhere = url(SPECIAL, &port) + "_nowhere";
        assert_eq!(run(&["status", "--format", format], &[("DATABASE_URL", &nowhere)]).status.code(), Some(1));
        // In a place where it does not belong.
        assert_eq!(run(&["status", &url(SPECIAL, &port), "--format", format], &[]).status.code(), Some(2));
    }

    let wrong = Database::from_url(&url("Zqwrong", &port)).unwrap();
    assert!(!texts(&wrong.connect().map(|_| wrong.clone())).contains(MARK));
    let migrator = migrate::migrator().unwrap();
    assert!(!format!("{migrator:?}").contains(MARK));
    let stored = "SELECT count(*) FROM migrations.runs r WHERE r::text LIKE '%Zq%'";
    let mut client = postgres::Client::connect(&server.url("shop"), postgres::NoTls).unwrap();
    assert_eq!(client.query_one(stored, &[]).unwrap().get::<_, i64>(0), 0);
}
