//! The command line as an operator or a script meets it: the real binary on a real server.
//!
//! Every run is checked for what holds for all of them: no password in what is printed, no panic, and with
//! `--format json` exactly one object on stdout.

// A test says what went wrong by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use migrations_testing::TestDatabase;
use serde_json::{Value, json};

const PASSWORD: &str = "s3cret";

/// What a run of the binary left.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn new(output: Output) -> Self {
        let ran = Self {
            code: output.status.code().expect("it was not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(PASSWORD), "a password: {text}");
            assert!(!text.contains("panicked"), "a panic: {text}");
        }
        ran
    }

    /// The one object on stdout.
    fn json(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout));
        assert!(value.is_object() && self.stdout.ends_with("}\n"), "{}", self.stdout);
        value
    }

    fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// All of it, as a snapshot.
    fn page(&self) -> String {
        let section =
            |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("--- {name}\n{text}") };
        format!("{}{}--- exit code {}\n", section("stdout", &self.stdout), section("stderr", &self.stderr), self.code)
    }
}

/// The binary, in an environment that names no database and sets no output.
fn binary(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_migrate"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let others = ["DATABASE_URL", "RUST_LOG", "RUST_BACKTRACE", "NO_COLOR", "COLUMNS", "TERM"];
        if name.starts_with("PG") || name.starts_with("CLICOLOR") || others.contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Ran {
    Ran::new(binary(args).output().unwrap())
}

/// A fresh database, and the binary on it.
struct Site {
    test: TestDatabase,
}

impl Site {
    fn new() -> Self {
        Self { test: TestDatabase::new().unwrap() }
    }

    /// A site that is migrated and has these tenants.
    fn with_tenants(names: &[&str]) -> Self {
        let site = Self::new();
        let create = names.iter().flat_map(|name| ["--create", name]);
        site.run(&["up"].into_iter().chain(create).collect::<Vec<_>>()).succeeded();
        site
    }

    /// The database's URL, with a password where it had none: the test server takes any.
    fn url(&self) -> String {
        let url = self.test.url();
        let (scheme, rest) = url.split_once("://").unwrap();
        match rest.split_once('@') {
            Some((user, rest)) if !user.contains(':') => format!("{scheme}://{user}:{PASSWORD}@{rest}"),
            _ => url.to_owned(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = binary(args);
        command.env("DATABASE_URL", self.url());
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        Ran::new(self.command(args).output().unwrap())
    }

    /// Runs with `--format json`.
    fn json(&self, args: &[&str]) -> (i32, Value) {
        let ran = self.run(&[args, &["--format", "json"]].concat());
        (ran.code, ran.json())
    }

    /// Runs, and returns it all as a snapshot without what is another one in every run.
    fn page(&self, args: &[&str]) -> String {
        self.run(args).page().replace(&self.test.database().to_string(), "[database]")
    }

    /// Makes whatever creates this schema take so much longer; a `%` stands for any text.
    fn slow_down(&self, schema: &str, pause: Duration) {
        self.execute(&format!(
            "CREATE FUNCTION slow_down() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
               PERFORM pg_sleep({}) FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE '{schema}';
             END $$;
             CREATE EVENT TRIGGER slow_down ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA') EXECUTE FUNCTION slow_down()",
            pause.as_secs_f64()
        ));
    }

    /// Registers a schema as a tenant; it is behind by the whole set, and `sql` is done in it first.
    fn adopt(&self, schema: &str, sql: &str) {
        self.execute(&format!("CREATE SCHEMA {schema}; SET search_path = {schema}; {sql}"));
        self.run(&["tenant", "adopt", schema]).succeeded();
    }

    fn execute(&self, sql: &str) {
        self.test.client().unwrap().batch_execute(sql).unwrap();
    }

    fn count(&self, query: &str) -> i64 {
        self.test.client().unwrap().query_one(query, &[]).unwrap().get(0)
    }
}

/// Compares with a snapshot, times and moments aside.
macro_rules! assert_page {
    ($name:literal, $page:expr) => {
        insta::with_settings!({
            filters => vec![
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "YYYY-MM-DDThh:mm:ssZ"),
                (r"\(os error \d+\)", "(os error [number])"),
                (r"(OUTCOME) +TIME\b", "$1  TIME"),
                (r"(created|migrated|current|ahead|busy|failed) +\d+(\.\d+)? m?s\b", "$1  [time]"),
                (r"\d+(\.\d+)? m?s\b", "[time]"),
            ],
            omit_expression => true,
        }, { insta::assert_snapshot!($name, $page) });
    };
}

/// The lines of the keys of an object.
fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

const SHARED: [&str; 6] = [
    "V1__create_users",
    "V2__create_currencies",
    "V3__create_plans",
    "V4__create_memberships",
    "V5__create_feature_flags",
    "V6__create_invitations",
];

// ---- help

#[test]
fn every_command_explains_itself() {
    let commands: [(&str, &[&str]); 16] = [
        ("help", &[]),
        ("help_up", &["up"]),
        ("help_status", &["status"]),
        ("help_wait", &["wait"]),
        ("help_tenant", &["tenant"]),
        ("help_tenant_create", &["tenant", "create"]),
        ("help_tenant_list", &["tenant", "list"]),
        ("help_tenant_show", &["tenant", "show"]),
        ("help_tenant_domain", &["tenant", "domain"]),
        ("help_tenant_domain_add", &["tenant", "domain", "add"]),
        ("help_tenant_adopt", &["tenant", "adopt"]),
        ("help_tenant_forget", &["tenant", "forget"]),
        ("help_pool", &["pool"]),
        ("help_pool_fill", &["pool", "fill"]),
        ("help_pool_status", &["pool", "status"]),
        ("help_pool_drain", &["pool", "drain"]),
    ];
    for (name, command) in commands {
        let ran = run(&[command, &["--help"]].concat()).succeeded();
        assert_eq!(ran.stderr, "");
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, ran.stdout) });
    }
}

// ---- text

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

/// Two tenants that fail for the same reason, one that fails for another, one that is well.
fn site_with_failures() -> Site {
    let site = Site::with_tenants(&["acme"]);
    for (schema, table) in [("bad1", "suppliers"), ("bad2", "suppliers"), ("bad3", "products")] {
        site.execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.{table} (id bigint)"));
    }
    site.run(&["tenant", "adopt", "bad1", "bad2", "bad3"]).succeeded();
    site
}

#[test]
fn failures_come_last_in_full_and_once() {
    let site = site_with_failures();
    let ran = site.run(&["up"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr.matches("relation \"suppliers\" already exists").count(), 1, "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("relation \"products\" already exists").count(), 1, "{}", ran.stderr);
    assert!(!ran.stdout.contains("already exists"), "{}", ran.stdout);
    assert_page!("up_with_failures", ran.page());
    assert_page!("status_after_failures", site.page(&["status"]));
    assert_eq!(site.count("SELECT count(*) FROM pg_tables WHERE schemaname = 'bad1'"), 1, "bad1 is as it was");
}

#[test]
fn what_diverged_is_missing_or_ahead_is_told_apart() {
    let site = Site::with_tenants(&["acme", "globex", "initech"]);
    site.execute(
        "UPDATE acme.refinery_schema_history SET checksum = '1' WHERE version = 3;
         INSERT INTO initech.refinery_schema_history SELECT 99, 'future', applied_on, '5'
           FROM initech.refinery_schema_history WHERE version = 1;
         UPDATE migrations.tenants SET digest = digest + 1;
         DROP SCHEMA globex CASCADE",
    );
    assert_page!("status_of_what_is_wrong", site.page(&["status"]));
    assert_page!("up_with_what_is_wrong", site.page(&["up"]));
    let (code, found) = site.json(&["status", "--check"]);
    let states: Vec<&Value> = found["tenants"].as_array().unwrap().iter().map(|tenant| &tenant["state"]).collect();
    assert_eq!((code, states), (3, vec![&json!("diverged"), &json!("missing"), &json!("ahead")]));
}

/// The reference set has a foreign key that makes tenants queue when there are more of them than jobs.
#[test]
fn warnings_are_seen_once_and_depend_on_the_jobs() {
    let stderr = |more: &[&str]| {
        let create = ["up", "--create", "acme", "--create", "globex", "--create", "initech"];
        Site::new().run(&[create.as_slice(), more].concat()).succeeded().stderr
    };
    let told = stderr(&["--jobs", "2"]);
    assert!(told.starts_with("warning: V8__create_price_lists refers to currencies"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    assert_eq!(stderr(&["--jobs", "3"]), "");
    assert_eq!(stderr(&["--jobs", "2", "-q"]), "");
}

#[test]
fn of_many_tenants_the_slowest_are_named_and_the_others_counted() {
    let create = |count: usize| {
        let site = Site::new();
        // One that takes longer than any other.
        site.slow_down("t7", Duration::from_secs(1));
        let names: Vec<String> = (1..=count).map(|number| format!("t{number}")).collect();
        let create: Vec<&str> = names.iter().flat_map(|name| ["--create", name]).collect();
        site.run(&[&["up"], create.as_slice()].concat()).succeeded().stdout
    };
    let many = create(21);
    let lines: Vec<&str> = many.lines().collect();
    assert!(lines.contains(&"tenants  21 created"), "{many}");
    let slowest = lines.iter().find_map(|line| line.strip_prefix("slowest  ")).expect(&many);
    assert!(slowest.starts_with("t7 ") && slowest.split(", ").count() == 3, "{many}");
    assert!(lines.iter().any(|line| line.starts_with("median   ") && line.ends_with('s')), "{many}");
    assert!(!many.contains("OUTCOME"), "{many}");

    let few = create(20);
    assert!(few.contains("OUTCOME") && !few.contains("slowest") && !few.contains("median"), "{few}");
}

#[test]
fn colour_is_for_terminals_and_for_who_insists() {
    let site = Site::with_tenants(&["acme"]);
    let is_coloured = |variables: &[(&str, &str)]| {
        let mut command = site.command(&["status"]);
        command.envs(variables.iter().copied());
        Ran::new(command.output().unwrap()).stdout.contains('\x1b')
    };
    assert!(!is_coloured(&[]), "a pipe is no terminal");
    assert!(is_coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!is_coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}

// ---- JSON

#[test]
fn up_tells_what_it_did() {
    let site = Site::new();
    let (code, mut done) = site.json(&["up", "--create", "acme", "--create", "globex"]);
    assert_eq!(code, 0);
    assert!(done["elapsed_ms"].take().is_u64() && done["median_ms"].take().is_u64(), "{done}");
    let slowest = done["slowest"].take();
    let names: HashSet<&str> =
        slowest.as_array().unwrap().iter().map(|slow| slow["tenant"].as_str().unwrap()).collect();
    assert_eq!(names, HashSet::from(["acme", "globex"]));
    assert!(slowest[0]["elapsed_ms"].as_u64() >= slowest[1]["elapsed_ms"].as_u64(), "{slowest}");
    assert_eq!(keys(&slowest[0]), ["elapsed_ms", "tenant"]);
    let tenants = json!({
        "total": 2, "created": 2, "migrated": 0, "current": 0, "ahead": 0, "busy": 0, "failed": 0, "skipped": 0,
        "spares": 0
    });
    let shared = json!({"applied": SHARED, "version": 6, "ahead": false});
    let times = json!({"slowest": null, "median_ms": null, "retries": 0, "elapsed_ms": null});
    let [mut all, times] = [json!({"shared": shared, "tenants": tenants, "failures": []}), times];
    all.as_object_mut().unwrap().extend(times.as_object().unwrap().clone());
    assert_eq!(done, all);

    let (code, again) = site.json(&["up"]);
    assert_eq!((code, &again["shared"]["applied"]), (0, &json!([])));
    assert_eq!((&again["tenants"]["created"], &again["tenants"]["current"]), (&json!(0), &json!(2)));
    assert_eq!((&again["slowest"], &again["median_ms"]), (&json!([]), &Value::Null));
}

#[test]
fn a_failed_tenant_has_its_place_in_the_object() {
    let (code, done) = site_with_failures().json(&["up", "--tenant", "bad1"]);
    assert_eq!((code, &done["tenants"]["failed"]), (1, &json!(1)));
    let failure = &done["failures"][0];
    let place = ["tenant", "migration", "file", "line", "column", "sqlstate", "message"].map(|key| &failure[key]);
    let (migration, file) = ("V2__create_suppliers_and_customers", "V2__create_suppliers_and_customers.sql");
    let message = "relation \"suppliers\" already exists";
    assert_eq!(
        place.map(Clone::clone),
        [json!("bad1"), json!(migration), json!(file), json!(3), json!(1), json!("42P07"), json!(message)]
    );
}

#[test]
fn a_failed_shared_set_is_the_error_and_no_tenant_is_touched() {
    let site = Site::new();
    site.execute("CREATE TABLE plans (id bigint)");
    let (code, failed) = site.json(&["up", "--create", "acme"]);
    let error = &failed["error"];
    assert_eq!((code, keys(&failed)), (1, vec!["error"]));
    assert_eq!(
        (&error["sqlstate"], &error["set"], &error["tenant"]),
        (&json!("42P07"), &json!("shared"), &Value::Null)
    );
    assert_eq!((&error["migration"], &error["file"]), (&json!("V3__create_plans"), &json!("V3__create_plans.sql")));
    assert!(error["line"].is_u64() && error["column"].is_u64() && error["message"].is_string(), "{error}");
    assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'acme'"), 0);
    assert_page!("up_with_a_failed_shared_set", site.page(&["up"]));
}

#[test]
fn status_tells_where_every_schema_stands() {
    let site = Site::with_tenants(&["acme"]);
    let (_, status) = site.json(&["status"]);
    let shared = json!({"version": 6, "latest": 6, "state": "current", "pending": [], "problem": null});
    assert_eq!(status["shared"], shared);
    let acme = json!({
        "name": "acme", "status": "active", "version": 11, "latest": 11, "state": "current", "pending": [],
        "problem": null, "last_error": null
    });
    assert_eq!(status["tenants"], json!([acme]));
    assert_eq!(status["pending"], json!(false));

    let (_, empty) = Site::new().json(&["status"]);
    assert_eq!((&empty["shared"]["version"], &empty["shared"]["pending"]), (&Value::Null, &json!(SHARED)));
    assert_eq!((&empty["tenants"], &empty["pending"]), (&json!([]), &json!(true)));
}

#[test]
fn tenants_have_all_their_fields() {
    let site = Site::new();
    let created = |created| json!({"tenants": [{"name": "acme", "created": created, "version": 11}]});
    assert_eq!(site.json(&["tenant", "create", "acme"]), (0, created(true)));
    assert_eq!(site.json(&["tenant", "create", "acme"]), (0, created(false)));
    site.execute(
        r#"UPDATE migrations.tenants SET display_name = 'Acme', metadata = '{"credit": 12345678901234567890}'"#,
    );
    site.run(&["tenant", "domain", "add", "acme", "shop.example.com"]).succeeded();

    let (_, mut list) = site.json(&["tenant", "list"]);
    assert_eq!(site.json(&["tenant", "show", "acme"]), (0, list.clone()));
    let tenant = &mut list["tenants"][0];
    for key in ["created_at", "migrated_at"] {
        let moment = tenant[key].take();
        // RFC 3339 in UTC, to the millisecond.
        let shape: String =
            moment.as_str().unwrap().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z");
    }
    assert_eq!(
        *tenant,
        json!({
            "id": 1, "name": "acme", "display_name": "Acme", "status": "active", "version": 11,
            "created_at": null, "migrated_at": null, "last_error": null,
            "domains": [{"host": "shop.example.com", "is_primary": false}],
            "metadata": {"credit": 12_345_678_901_234_567_890_u64}
        })
    );
}

#[test]
fn tenants_made_before_a_failure_are_told_of() {
    let site = Site::new();
    site.execute("CREATE SCHEMA taken");
    let (code, done) = site.json(&["tenant", "create", "acme", "taken", "globex"]);
    assert_eq!((code, &done["tenants"]), (1, &json!([{"name": "acme", "created": true, "version": 11}])));
    assert!(done["error"]["message"].as_str().unwrap().contains("tenant adopt taken"), "{done}");
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 1);
}

#[test]
fn logs_stay_out_of_the_object() {
    let site = Site::new();
    let ran = site.run(&["up", "--create", "acme", "--format", "json", "-vv"]).succeeded();
    assert_eq!(ran.json()["tenants"]["created"], json!(1));
    assert!(ran.stderr.contains("INFO") && ran.stderr.contains("tenant acme created"), "{}", ran.stderr);
}

// ---- tenants

#[test]
fn a_schema_is_adopted_migrated_and_forgotten_when_it_is_gone() {
    let site = Site::with_tenants(&[]);
    site.execute("CREATE SCHEMA old");
    assert_page!("adopt", site.page(&["tenant", "adopt", "old"]));
    let (code, done) = site.json(&["up", "--tenant", "old"]);
    assert_eq!((code, &done["tenants"]["migrated"]), (0, &json!(1)), "{done}");
    assert_page!("forget_too_early", site.page(&["tenant", "forget", "old"]));
    site.execute("DROP SCHEMA old CASCADE");
    assert_page!("forget", site.page(&["tenant", "forget", "old"]));
    assert_page!("tenant_list_of_none", site.page(&["tenant", "list"]));
}

#[test]
fn a_domain_names_one_tenant() {
    let site = Site::with_tenants(&["acme", "globex"]);
    let add = |tenant, host| site.run(&["tenant", "domain", "add", tenant, host]).code;
    assert_eq!(add("acme", "shop.example.com"), 0);
    assert_eq!(add("acme", "SHOP.example.com"), 0, "it has it already");
    assert_eq!(add("globex", "shop.example.com"), 1);
    assert_eq!(add("nobody", "other.example.com"), 1);
    assert_eq!(add("globex", "https://shop.example.com"), 2);
}

#[test]
fn a_run_is_limited_to_what_it_is_told() {
    let site = Site::with_tenants(&[]);
    site.execute("CREATE SCHEMA one; CREATE SCHEMA two");
    site.run(&["tenant", "adopt", "one", "two"]).succeeded();
    let migrated = "SELECT count(*) FROM migrations.tenants WHERE version = 11";
    site.run(&["up", "--shared-only"]).succeeded();
    assert_eq!(site.count(migrated), 0);
    site.run(&["up", "--tenant", "two", "--jobs", "1"]).succeeded();
    assert_eq!(site.count(migrated), 1);
    site.run(&["up"]).succeeded();
    assert_eq!(site.count(migrated), 2);
    let (code, done) = site.json(&["up", "--tenant", "nobody"]);
    assert_eq!(code, 1);
    assert!(done["error"]["message"].as_str().unwrap().starts_with("tenant nobody is not registered"), "{done}");
}

#[test]
fn a_tenant_named_twice_is_one_tenant() {
    let (code, done) = Site::new().json(&["up", "--create", "acme", "--create", "globex", "--create", "acme"]);
    assert_eq!((code, &done["tenants"]["total"], &done["tenants"]["created"]), (0, &json!(2), &json!(2)), "{done}");
}

// ---- limits

/// Four tenants in their order: two fail for one reason, the next for another, the last is well.
fn site_that_goes_wrong() -> Site {
    let site = Site::with_tenants(&[]);
    site.adopt("one", "CREATE TABLE suppliers (id bigint)");
    site.adopt("two", "CREATE TABLE suppliers (id bigint)");
    site.adopt("three", "CREATE TYPE suppliers AS ENUM ()");
    site.adopt("four", "");
    site
}

#[test]
fn a_run_stops_where_it_is_told_to() {
    // What is migrated, what failed, what was not tried.
    let cases: [(&[&str], [u64; 3]); 6] = [
        (&[], [1, 3, 0]),
        (&["--fail-fast"], [0, 1, 3]),
        (&["--max-failures", "2"], [0, 2, 2]),
        (&["--max-failures", "4"], [1, 3, 0]),
        (&["--max-distinct", "1"], [0, 1, 3]),
        (&["--max-distinct", "2"], [0, 3, 1]),
    ];
    for (limit, expected) in cases {
        let (code, done) = site_that_goes_wrong().json(&[&["up", "--jobs", "1"], limit].concat());
        let counts = ["migrated", "failed", "skipped"].map(|key| done["tenants"][key].as_u64().unwrap());
        assert_eq!((code, counts), (1, expected), "{limit:?}: {done}");
    }
}

#[test]
fn who_was_not_tried_is_counted_and_gets_its_turn_in_the_next_run() {
    let site = site_that_goes_wrong();
    assert_page!("up_fail_fast", site.page(&["up", "--jobs", "1", "--fail-fast"]));
    for schema in ["one", "two"] {
        site.execute(&format!("DROP TABLE {schema}.suppliers"));
    }
    site.execute("DROP TYPE three.suppliers");
    let (code, done) = site.json(&["up", "--fail-fast"]);
    assert_eq!((code, &done["tenants"]["migrated"]), (0, &json!(4)), "{done}");
}

#[test]
fn a_group_shares_a_transaction() {
    let transactions = |group| {
        let site = Site::new();
        let create = ["t1", "t2", "t3", "t4", "t5", "t6"].map(|name| ["--create", name]).concat();
        site.run(&[&["up", "--jobs", "1", "--group", group], create.as_slice()].concat()).succeeded();
        assert_eq!(site.count("SELECT count(*) FROM migrations.tenants WHERE version = 11"), 6);
        site.count("SELECT count(DISTINCT xmin::text) FROM migrations.tenants")
    };
    let (alone, together) = (transactions("1"), transactions("6"));
    assert!(alone == 6 && together <= 2, "{alone} and {together} transactions");
}

#[test]
fn a_table_that_is_locked_is_tried_again() {
    let site = Site::with_tenants(&[]);
    let mut other = site.test.client().unwrap();
    other.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();

    let mut waiting = site.command(&["up", "--create", "acme", "--lock-timeout", "20ms"]);
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut told, mut stderr) = (String::new(), BufReader::new(waiting.stderr.take().unwrap()));
    while !told.contains("retry 1 of ") {
        assert!(stderr.read_line(&mut told).unwrap() > 0, "not told: {told}");
    }
    other.batch_execute("ROLLBACK").unwrap();
    let ran = Ran::new(waiting.wait_with_output().unwrap()).succeeded();
    let retries = ran.stdout.lines().find_map(|line| line.strip_prefix("retries  ")).expect(&ran.stdout);
    assert!((1..=5).contains(&retries.parse().unwrap()), "{}", ran.stdout);

    // Held to the end, it fails.
    other.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();
    let started = Instant::now();
    let (code, done) = site.json(&["up", "--create", "globex", "--lock-timeout", "20ms"]);
    assert!(started.elapsed() < 6 * Duration::from_secs(3), "as long as without the option");
    assert_eq!((code, &done["failures"][0]["sqlstate"], &done["retries"]), (1, &json!("55P03"), &json!(5)), "{done}");
}

// ---- a dry run

/// What a run can change, down to the objects' ids.
fn fingerprint(site: &Site) -> Vec<String> {
    let query = "SELECT 'class ' || c.oid || ' ' || c.xmin FROM pg_class c
                 UNION ALL SELECT 'schema ' || n.oid || ' ' || n.xmin FROM pg_namespace n ORDER BY 1";
    site.test.client().unwrap().query(query, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn a_dry_run_shows_the_sql_and_changes_nothing() {
    let site = Site::new();
    let before = fingerprint(&site);
    let ran = site.run(&["up", "--dry-run", "--create", "acme", "--create", "globex"]).succeeded();
    let (code, shown) = site.json(&["up", "--dry-run", "--create", "acme"]);
    assert_eq!(fingerprint(&site), before);

    let headings: Vec<&str> = ran.stdout.lines().filter(|line| line.contains(": V1__")).collect();
    let starts = ["-- registry set: V1__", "-- shared set: V1__", "-- tenant acme: V1__", "-- tenant globex: V1__"];
    assert_eq!(headings.len(), starts.len(), "{headings:#?}");
    assert!(headings.iter().zip(starts).all(|(heading, start)| heading.starts_with(start)), "{headings:#?}");
    assert_eq!(ran.stderr, "");

    let schemas = shown["schemas"].as_array().unwrap();
    let names: Vec<_> = schemas.iter().map(|schema| (&schema["set"], &schema["tenant"])).collect();
    let null = Value::Null;
    assert_eq!(code, 0);
    assert_eq!(names, [(&json!("registry"), &null), (&json!("shared"), &null), (&json!("tenant"), &json!("acme"))]);
    assert_eq!(schemas[1]["migrations"], json!(SHARED));
    assert_eq!(keys(&schemas[1]), ["messages", "migrations", "set", "tenant"]);
    let message = schemas[2]["messages"][0].as_str().unwrap();
    assert!(ran.stdout.contains(message.trim_end()), "the text has what the object has");
}

#[test]
fn a_dry_run_s_sql_in_psql_leaves_nothing_to_do() {
    let site = Site::new();
    let create = ["--create", "acme", "--create", "globex"];
    let script = site.run(&[&["up", "--dry-run"], create.as_slice()].concat()).succeeded().stdout;
    psql(&site, &script).unwrap();

    let again = site.run(&["up"]).succeeded().stdout;
    assert!(again.starts_with("nothing to do: shared at version 6, tenants: 2 current ("), "{again}");
    assert_eq!(site.run(&["status", "--check"]).code, 0);
    assert_eq!(site.run(&["up", "--dry-run"]).succeeded().stdout, "-- nothing to do\n");
    let (_, shown) = site.json(&["up", "--dry-run"]);
    assert_eq!(shown, json!({"schemas": []}));
}

#[test]
fn a_dry_run_leaves_what_cannot_run_in_a_transaction_to_the_run() {
    let site = Site::with_tenants(&[]);
    site.adopt("old", "");
    let script = site.run(&["up", "--dry-run", "--tenant", "old"]).succeeded().stdout;
    assert_eq!(script.matches("\n--   CREATE INDEX CONCURRENTLY ").count(), 3, "{script}");
    psql(&site, &script).unwrap();

    let version = "SELECT version FROM migrations.tenants WHERE schema_name = 'old'";
    assert_eq!(site.count(version), 9, "up to the first that cannot");
    assert_eq!(site.json(&["up"]).1["tenants"]["migrated"], json!(1));
    assert_eq!(site.count(version), 11);
}

/// Runs a script as its first line says.
fn psql(site: &Site, script: &str) -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), script).unwrap();
    let line = script.lines().next().unwrap().strip_prefix("-- psql ").expect(script);
    let output = Command::new("psql").args(line.split(' ')).arg(file.path()).arg(site.url()).output();
    let output = output.expect("psql comes with PostgreSQL");
    match String::from_utf8(output.stderr).unwrap() {
        told if told.is_empty() && output.status.success() => Ok(()),
        told => Err(told),
    }
}

// ---- the pool

#[test]
fn spares_are_made_counted_migrated_and_dropped() {
    let site = Site::new();
    assert_page!("pool_status_of_none", site.page(&["pool", "status"]));
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 0, "behind": 0})));
    assert_page!("pool_fill", site.page(&["pool", "fill", "2"]));
    assert_eq!(site.json(&["pool", "fill", "3"]), (0, json!({"made": 1})));
    assert_page!("pool_fill_again", site.page(&["pool", "fill", "3"]));

    site.run(&["tenant", "create", "acme"]).succeeded();
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 2, "behind": 0})), "the tenant took one");
    assert_page!("pool_status", site.page(&["pool", "status"]));

    site.execute(
        "UPDATE migrations.tenants SET digest = NULL
         WHERE schema_name = (SELECT min(schema_name) FROM migrations.tenants WHERE status = 'spare')",
    );
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 1, "behind": 1})));
    assert_page!("pool_status_behind", site.page(&["pool", "status"]));
    assert_page!("pool_drain", site.page(&["pool", "drain"]));
    assert_eq!(site.json(&["pool", "drain"]), (0, json!({"dropped": 0})));
    assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname LIKE '%spare%'"), 0);
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 1);
}

#[test]
fn a_run_says_how_many_spares_it_migrated() {
    let site = Site::with_tenants(&["acme"]);
    site.run(&["pool", "fill", "2"]).succeeded();
    // As if the set had been empty when they were made.
    site.execute(
        "DO $$ DECLARE spare text; BEGIN
           FOR spare IN SELECT schema_name FROM migrations.tenants WHERE status = 'spare' LOOP
             EXECUTE format('DROP SCHEMA %I CASCADE; CREATE SCHEMA %1$I', spare);
           END LOOP;
         END $$;
         UPDATE migrations.tenants t SET digest = NULL, version = NULL,
           schema_oid = (SELECT oid FROM pg_namespace WHERE nspname = t.schema_name) WHERE status = 'spare'",
    );
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 0, "behind": 2})));
    assert_page!("up_with_spares", site.page(&["up"]));
    assert_eq!(site.json(&["pool", "status"]), (0, json!({"ready": 2, "behind": 0})));
}

// ---- progress

/// A run without a terminal: short ones say nothing, long ones a line every five seconds, and stdout stays one object.
#[test]
fn a_long_run_counts_on_stderr_where_there_is_no_terminal() {
    let site = Site::with_tenants(&[]);
    site.adopt("bad", "CREATE TABLE suppliers (id bigint)");
    site.slow_down("t%", Duration::from_millis(1_800));
    let up = ["up", "--jobs", "1", "--create", "t1", "--create", "t2", "--create", "t3", "--create", "t4"];
    // Five tenants in less than ten seconds, of which the first fails at once.
    let ran = site.run(&[up.as_slice(), &["--format", "json"]].concat());
    assert_eq!((ran.code, &ran.json()["tenants"]["created"]), (1, &json!(4)), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("/5 tenants")).collect();
    let [line] = lines[..] else { panic!("not one line: {}", ran.stderr) };
    assert!(line.starts_with("3/5 tenants, 1 failed, about "), "{line}");
    assert!((1..=4).any(|seconds| line.ends_with(&format!("about {seconds} s left"))), "{line}");
    assert!(ran.stderr.find("/5 tenants") < ran.stderr.find("error: tenant bad"), "{}", ran.stderr);
    assert!(!ran.stderr.contains('\x1b') && !ran.stderr.contains('\r'), "{}", ran.stderr);
}

/// Runs on a terminal, which `script` (util-linux) makes; stdout and stderr are one then.
#[cfg(target_os = "linux")]
fn on_terminal(site: &Site, args: &str) -> Ran {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command"]);
    command.arg(format!("'{}' {args}", env!("CARGO_BIN_EXE_migrate"))).arg("/dev/null");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("DATABASE_URL", site.url()).env("TERM", "xterm").stdin(Stdio::null());
    Ran::new(command.output().unwrap())
}

/// What takes the bar from its line.
#[cfg(target_os = "linux")]
const ERASE: &str = "\x1b[2K";

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_has_a_bar_that_is_gone_in_the_end() {
    let site = Site::new();
    site.slow_down("t%", Duration::from_millis(300));
    let up = "up --jobs 1 --create t1 --create t2 --create t3 --create t4";
    let seen = on_terminal(&site, up).succeeded().stdout;
    assert!(seen.contains("] 1/4 tenants, ") && seen.contains(" s left"), "{seen:?}");
    let (_, after) = seen.rsplit_once("tenants, ").unwrap();
    let erased = after.find(ERASE).expect("the bar is erased");
    assert!(after.find("shared ").is_some_and(|report| erased < report), "{seen:?}");

    let again = on_terminal(&site, up).succeeded().stdout;
    assert!(again.contains("nothing to do") && !again.contains(ERASE), "{again:?}");
    for (option, name) in [("-v", "t5"), ("-q", "t6"), ("--format json", "t7")] {
        let seen = on_terminal(&site, &format!("{option} up --create {name}")).succeeded().stdout;
        assert!(seen.contains("created") && !seen.contains(ERASE), "{option}: {seen:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_line_has_a_line_of_its_own_beside_the_bar() {
    let site = Site::with_tenants(&[]);
    site.slow_down("t%", Duration::from_millis(500));
    let mut other = site.test.client().unwrap();
    other.batch_execute("BEGIN; LOCK TABLE currencies").unwrap();
    let ran = on_terminal(&site, "up --lock-timeout 20ms --create t1");
    let (before, _) = ran.stdout.split_once("retry 1 of ").expect("it is logged");
    let (_, between) = before.rsplit_once("0/1 tenants").expect("the bar was there");
    assert!(between.contains(ERASE), "{between:?}");
    assert_eq!(ran.code, 1);
}

// ---- waiting

#[test]
fn check_exits_with_3_as_long_as_something_is_pending() {
    let site = Site::new();
    assert_eq!(site.run(&["status", "--check"]).code, 3);
    assert_eq!(site.run(&["status"]).code, 0);
    site.run(&["up"]).succeeded();
    assert_eq!(site.run(&["status", "--check"]).code, 0);
    site.execute("CREATE SCHEMA old");
    site.run(&["tenant", "adopt", "old"]).succeeded();
    assert_eq!(site.run(&["status", "--check"]).code, 3);
}

#[test]
fn wait_ends_when_another_process_has_migrated() {
    let site = Site::new();
    assert_page!("wait_in_vain", site.page(&["wait", "--migrated", "--timeout", "0s"]));
    let mut waiting = site.command(&["wait", "--migrated", "--timeout", "1m", "--format", "json"]);
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    site.run(&["up"]).succeeded();
    let ran = Ran::new(waiting.wait_with_output().unwrap()).succeeded();
    assert_eq!(ran.json()["waited_for"], json!("migrated"));
}

/// Takes the lock of tenant acme in the registry's default schema, as every release does.
const LOCK_ACME: &str = "SELECT pg_advisory_lock(hashtextextended('migrate migrations acme', 0))";

#[test]
fn who_waits_for_another_run_is_told_so() {
    let site = Site::with_tenants(&[]);
    site.execute("CREATE SCHEMA acme");
    site.run(&["tenant", "adopt", "acme"]).succeeded();
    let mut other_run = site.test.client().unwrap();
    other_run.batch_execute(LOCK_ACME).unwrap();

    let mut waiting = site.command(&["up"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(waiting.stderr.take().unwrap());
    let mut told = String::new();
    while !told.contains("tenant acme is locked by another run; waiting\n") {
        assert!(stderr.read_line(&mut told).unwrap() > 0, "not told: {told}");
    }
    drop(other_run);
    let ran = Ran::new(waiting.wait_with_output().unwrap()).succeeded();
    assert!(ran.stdout.contains("tenants  1 migrated\n"), "{}", ran.stdout);
}

#[test]
fn who_is_held_by_another_run_for_too_long_is_left_to_the_next_one() {
    let site = Site::with_tenants(&[]);
    site.adopt("acme", "");
    site.adopt("globex", "");
    let mut other_run = site.test.client().unwrap();
    other_run.batch_execute(LOCK_ACME).unwrap();

    let started = Instant::now();
    let (code, done) = site.json(&["up", "--lock-wait", "200ms"]);
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(200) && waited < Duration::from_mins(1), "{waited:?}");
    let counts = ["migrated", "busy", "failed"].map(|key| done["tenants"][key].as_u64().unwrap());
    assert_eq!((code, counts), (1, [1, 1, 0]), "{done}");
    assert_page!("up_busy", site.page(&["up", "--lock-wait", "200ms"]));
    drop(other_run);
    assert_eq!(site.json(&["up"]).1["tenants"]["migrated"], json!(1));
}

#[test]
fn wait_gives_up_on_a_server_that_is_not_there() {
    let started = Instant::now();
    let ran = run(&["--database-url", NOBODY_LISTENS, "wait", "--timeout", "2s", "--format", "json"]);
    assert!(started.elapsed() >= Duration::from_secs(2));
    let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(ran.code, 1);
    assert!(message.starts_with("cannot connect to database app at 127.0.0.1:1 as app, tried for 2."), "{message}");
}

// ---- what goes wrong before anything is done

/// Port 1 is reserved, and nothing listens there.
const NOBODY_LISTENS: &str = "postgres://app:s3cret@127.0.0.1:1/app";

#[test]
fn a_command_line_that_cannot_be_used_exits_with_2() {
    let with_url = |query: &str| format!("postgres://app:{PASSWORD}@localhost/app{query}");
    let cases: [(&str, &[&str]); 15] = [
        ("usage_no_database", &["up"]),
        ("usage_no_command", &[]),
        ("usage_url", &["status", "--database-url", "postgres://app:s3cret@local host:x/app"]),
        ("usage_tls", &["status", "--database-url", &with_url("?sslmode=require")]),
        ("usage_url_as_argument", &["status", &with_url("")]),
        ("usage_name", &["tenant", "create", "Acme"]),
        ("usage_reserved_name", &["up", "--create", "pg_acme"]),
        ("usage_duration", &["up", "--wait", "30"]),
        ("usage_jobs", &["up", "--jobs", "0"]),
        ("usage_contradiction", &["up", "--shared-only", "--tenant", "acme"]),
        ("usage_two_limits", &["up", "--fail-fast", "--max-failures", "3"]),
        ("usage_lock_timeout", &["up", "--lock-timeout", "0s"]),
        ("usage_pool_size", &["pool", "fill", "0"]),
        ("usage_embedded_and_url", &["up", "--embedded", "--database-url", &with_url("")]),
        ("usage_embedded_in_two_words", &["up", "--embedded", "folder"]),
    ];
    for (name, args) in cases {
        let ran = run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{name}: {}", ran.stderr);
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, ran.page()) });

        let ran = run(&[args, &["--format=json"]].concat());
        let message = ran.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(ran.code, 2);
        assert!(!message.is_empty() && !message.starts_with("error:"), "{name}: {message}");
    }
}

#[test]
fn a_registry_s_name_is_no_tenant_s() {
    let ran = Site::new().run(&["tenant", "create", "migrations"]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
}

#[test]
fn a_server_that_refuses_is_explained() {
    let site = Site::new();
    let ran = run(&["--database-url", NOBODY_LISTENS, "up", "--wait", "0s"]);
    assert_eq!(ran.code, 1);
    assert_page!("no_server", ran.page());

    let mut other = site.command(&["up", "--format", "json"]);
    let name = site.test.database().config().get_dbname().unwrap().to_owned();
    other.env("DATABASE_URL", site.url().replace(&name, "no_such_database"));
    let ran = Ran::new(other.output().unwrap());
    let error = &ran.json()["error"];
    assert_eq!((ran.code, &error["sqlstate"]), (1, &json!("3D000")), "{error}");
    assert!(error["message"].as_str().unwrap().contains("database \"no_such_database\" does not exist"), "{error}");
    assert!(ran.stderr.starts_with("error: cannot connect to database no_such_database at "), "{}", ran.stderr);
}

#[test]
fn libpq_s_variables_name_a_database_too() {
    let site = Site::new();
    let config = site.test.database().config().clone();
    let mut command = binary(&["up"]);
    match config.get_hosts().first() {
        Some(postgres::config::Host::Tcp(host)) => command.env("PGHOST", host),
        Some(postgres::config::Host::Unix(folder)) => command.env("PGHOST", folder),
        None => panic!("the test database has a host"),
    };
    command.env("PGPORT", config.get_ports().first().copied().unwrap_or(5432).to_string());
    command.env("PGUSER", config.get_user().unwrap()).env("PGDATABASE", config.get_dbname().unwrap());
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8(password.to_vec()).unwrap());
    }
    // A variable that is set to nothing is not set.
    command.env("DATABASE_URL", "");
    Ran::new(command.output().unwrap()).succeeded();
    assert_eq!(site.count("SELECT count(*) FROM refinery_schema_history"), 6);
}

// ---- the process

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
    assert_eq!(Ran::new(command.output().unwrap()).succeeded().stderr, "", "RUST_LOG wins");
    let mut command = site.command(&["up", "-q", "--create", "umbrella"]);
    command.env("RUST_LOG", "info");
    assert!(Ran::new(command.output().unwrap()).succeeded().stderr.contains("tenant umbrella created"));
}

/// Starts the command with a reader that is gone before anything is written.
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
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 2, "what was asked for was done");
}

#[cfg(unix)]
#[test]
fn an_embedded_server_keeps_its_data_from_one_command_to_the_next() {
    use std::os::unix::fs::PermissionsExt;

    let home = tempfile::tempdir().unwrap();
    // As root the server runs as another user, who has to get to the folder.
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
    let note = format!("private server, with its data in {}; the data stays\n", folder.display());
    assert!(first.stderr.starts_with(&note), "{}", first.stderr);

    let second = run(&["up", "--create", "acme", "--format", "json", "-q"]);
    assert_eq!((&second.json()["shared"]["applied"], &second.json()["tenants"]["created"]), (&json!([]), &json!(0)));
    assert_eq!(second.stderr, "");
    assert!(!folder.join("data/postmaster.pid").exists(), "the server was stopped");
}
