//! `import`.

use serde_json::json;

use crate::site::{SHARED, Site, assert_page};

/// Flyway's table in a schema, with these versions and descriptions.
fn flyway(schema: &str, migrations: &[(&str, &str)]) -> String {
    let rows = migrations.iter().enumerate().map(|(rank, (version, description))| {
        format!(
            "INSERT INTO {schema}.flyway_schema_history VALUES ({rank}, '{version}', '{description}', 'SQL', \
             'V{version}.sql', 0, 'app', now(), 1, true);"
        )
    });
    format!(
        "CREATE SCHEMA IF NOT EXISTS {schema};
         CREATE TABLE {schema}.flyway_schema_history (installed_rank integer PRIMARY KEY, version varchar(50), \
           description varchar(200) NOT NULL, type varchar(20) NOT NULL, script varchar(1000) NOT NULL, \
           checksum integer, installed_by varchar(100) NOT NULL, installed_on timestamp NOT NULL DEFAULT now(), \
           execution_time integer NOT NULL, success boolean NOT NULL);
         {}",
        rows.collect::<String>()
    )
}

fn fleet() -> Site {
    let site = Site::new();
    let shared: Vec<_> = SHARED.iter().map(|title| title[1..].split_once("__").unwrap()).collect();
    let (data, people, products) =
        (("1", "create reference data"), ("2", "create suppliers and customers"), ("3", "create products"));
    for (schema, migrations) in [
        ("public", shared.as_slice()),
        ("acme", &[data, people, products]),
        ("globex", &[data, people, products]),
        ("initech", &[data, people]),
        ("odd", &[data, people, ("2.1", "hotfix")]),
        ("skipped", &[data, products]),
    ] {
        site.execute(&flyway(schema, migrations));
    }
    site
}

#[test]
fn an_import_shows_the_mapping_and_what_is_refused() {
    let site = fleet();
    assert_page!("import_dry_run", site.page(&["import", "--from", "flyway", "--dry-run"]));
    assert_eq!(site.count("SELECT count(*) FROM pg_namespace WHERE nspname = 'migrations'"), 0);
    assert_page!("import", site.page(&["import", "--from", "flyway"]));
    let map = ["import", "--from", "flyway", "--map", "2.1=-", "--map", "99=-"];
    assert_page!("import_with_rules", site.page(&map));
    assert_page!("import_again", site.page(&map));
}

#[test]
fn what_a_tool_wrote_cannot_write_to_the_terminal() {
    let site = Site::new();
    site.execute(&flyway("acme", &[("1", "a\u{1b}[31mb"), ("2\u{1b}[2J", "c")]));
    site.execute(&flyway("\"x\u{1b}y\"", &[]));
    let page = site.page(&["import", "--from", "flyway", "--dry-run"]);
    assert!(!page.contains('\u{1b}') && page.contains("\\u{1b}[31m"), "{page}");
}

#[test]
fn an_import_is_one_object_in_json() {
    let site = fleet();
    let (code, done) = site.json(&["import", "--from", "flyway", "--tenants-by", "o%"]);
    assert_eq!(code, 1);
    assert_eq!((&done["tool"], &done["table"]), (&json!("flyway"), &json!("flyway_schema_history")));
    let tenants = &done["sets"][1];
    assert_eq!(
        tenants["mapping"][2],
        json!({"foreign": "2.1", "description": "hotfix", "ours": [], "basis": null, "rule": null,
               "identical": null, "schemas": 1})
    );
    let odd = &tenants["schemas"][0];
    assert_eq!((&odd["schema"], &odd["outcome"]), (&json!("odd"), &json!("refused")));
    assert!(odd["problem"].as_str().unwrap().contains("2.1"), "{odd}");
}

#[test]
fn a_file_of_mappings_is_read_and_a_bad_line_is_named() {
    let site = fleet();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("map");
    let path = file.to_str().unwrap();
    let import = |site: &Site| site.run(&["import", "--from", "flyway", "--tenants-by", "o%", "--map-file", path]);
    assert_eq!(import(&site).code, 2, "there is no file");
    std::fs::write(&file, "# the odd ones\n2.1 = -\nskipped\n").unwrap();
    let ran = import(&site);
    assert!(ran.code == 2 && ran.stderr.contains(r#"mapping "skipped" has no ="#), "{}", ran.stderr);
    std::fs::write(&file, "# the odd ones\ntenant:2.1 = -\n\n").unwrap();
    import(&site).succeeded();
    assert_eq!(site.count("SELECT version FROM migrations.tenants WHERE schema_name = 'odd'"), 2);
}

#[test]
fn a_database_without_a_history_of_the_tool_says_so() {
    assert_page!("import_of_nothing", Site::new().page(&["import", "--from", "django"]));
    assert_page!("import_of_an_unknown_tool", crate::site::run(&["import", "--from", "alembic"]).page());
}
