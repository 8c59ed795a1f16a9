//! Databases that exist: `baseline`, `tenant baseline`, `repair`, and the commands of `docs/adopt.md`.

use migrations_core::RunOptions;
use serde_json::json;

use crate::site::{Site, assert_page, keys};

/// A site whose tenants have the tenants' set up to a version, in registries and histories of their own.
fn add_tenants(site: &Site, version: i64, names: &[&str]) {
    let migrator = migrate::migrator().unwrap();
    let older = migrator.tenant_set().up_to(version);
    let names = names.iter().map(|name| name.parse().unwrap());
    let options = RunOptions::new().create(names).only([]);
    assert!(migrator.with_tenant_set(older).run_with(site.test.database(), &options).unwrap().is_success());
}

/// A database that another tool migrated: no registry, no history of ours, and that tool's own history.
fn site_of_another_tool() -> Site {
    let site = Site::new();
    add_tenants(&site, 7, &["late"]);
    add_tenants(&site, 9, &["shop_1", "shop_2", "hand"]);
    for schema in ["public", "shop_1", "shop_2"] {
        site.execute(&format!(
            "DROP TABLE {schema}.refinery_schema_history; CREATE TABLE {schema}._sqlx_migrations (version bigint)"
        ));
    }
    site
}

/// The commands in the blocks of a document, each as its words.
fn commands(document: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut is_shell = false;
    for line in document.lines().map(str::trim) {
        match line {
            "```sh" => is_shell = true,
            line if line.starts_with("```") => is_shell = false,
            line if is_shell => {
                found.push(line.split_whitespace().map(|word| word.trim_matches('\'').to_owned()).collect());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_commands_of_the_document_about_databases_that_exist_work_in_their_order() {
    let site = site_of_another_tool();
    // These statements are version 10's, as somebody types them.
    let migrator = migrate::migrator().unwrap();
    let tenth = migrator.tenant_set().migrations().iter().find(|migration| migration.version() == 10).unwrap();
    let by_hand = tenth.sql().replace("CONCURRENTLY", "");
    site.execute(&format!("SET search_path = hand, public; {by_hand}"));
    site.execute(
        "DELETE FROM late.refinery_schema_history; DROP TABLE late.refinery_schema_history;
         DROP SCHEMA migrations CASCADE; CREATE SCHEMA bare; CREATE TABLE bare.own (id bigint)",
    );
    let commands = commands(include_str!("../../docs/adopt.md"));
    assert!(commands.len() > 10, "the document is read: {commands:?}");
    for words in commands {
        assert_eq!(words[0], "migrate", "{words:?}");
        let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let ran = site.run(&args);
        assert_eq!(ran.code, 0, "{args:?}: {}{}", ran.stdout, ran.stderr);
    }
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants WHERE version = 11"), 5);
}

#[test]
fn a_baseline_says_what_it_recorded_and_why_it_refused() {
    let site = site_of_another_tool();
    site.execute("DROP SCHEMA migrations CASCADE");
    site.execute("ALTER TABLE shop_2.products DROP COLUMN name; CREATE VIEW shop_2.mine AS SELECT 1 AS one");
    assert_page!("baseline_unknown_version", site.page(&["baseline", "shared", "--at", "60"]));
    let ignore = ["--verify", "--ignore", "_sqlx_*"];
    assert_page!("baseline_shared", site.page(&[&["baseline", "shared", "--at", "6"], &ignore[..]].concat()));
    assert_page!("baseline_shared_again", site.page(&["baseline", "shared", "--at", "6"]));
    let at = ["tenant", "baseline", "--match", "shop_*", "--adopt", "--at", "9"];
    assert_page!("baseline_refused", site.page(&[&at[..], &ignore[..]].concat()));
    assert_page!("baseline_not_registered", site.page(&["tenant", "baseline", "shop_2", "--at", "9"]));
    assert_page!("baseline_of_nothing", site.page(&["tenant", "baseline", "--match", "shops_*", "--at", "9"]));
    assert_page!("baseline_pending", site.page(&["tenant", "baseline", "shop_1", "--at", "11"]));
    assert_page!("baseline_fake", site.page(&["tenant", "baseline", "shop_1", "--at", "11", "--fake"]));
    assert_page!("baseline_another", site.page(&["tenant", "baseline", "shop_1", "--at", "7"]));
    assert_page!("adopt_without_history", site.page(&["tenant", "adopt", "shop_2"]));
    assert_page!("up_without_history", site.page(&["up", "--tenant", "shop_2"]));
}

#[test]
fn a_baseline_has_all_its_fields_in_json() {
    let site = site_of_another_tool();
    site.execute("ALTER TABLE shop_2.products RENAME COLUMN name TO title; DROP SCHEMA migrations CASCADE");
    let args = ["tenant", "baseline", "shop_1", "shop_2", "--adopt", "--at", "9", "--verify", "--ignore", "_sqlx_*"];
    let (code, done) = site.json(&args);
    assert_eq!((code, done["schemas"].as_array().unwrap().len()), (1, 2), "{done}");
    let [good, bad] = [&done["schemas"][0], &done["schemas"][1]];
    assert_eq!(keys(good), ["outcome", "problem", "proved", "recorded", "schema", "tenant"]);
    assert_eq!(
        (&good["outcome"], &good["proved"], &good["tenant"]),
        (&json!("recorded"), &json!(true), &json!("shop_1"))
    );
    assert_eq!(good["recorded"].as_array().unwrap().len(), 9);
    assert_eq!((&bad["outcome"], &bad["proved"]), (&json!("refused"), &json!(false)));
    assert_eq!(bad["difference"]["missing"], json!(["column products.name"]), "{bad}");
    assert_eq!(bad["difference"]["extra"], json!(["column products.title"]), "{bad}");
}

#[test]
fn repair_explains_corrects_and_says_what_it_would_do() {
    let site = Site::with_tenants(&["acme", "globex", "initech"]);
    assert_page!("repair_nothing", site.page(&["repair"]));
    site.execute(
        "UPDATE acme.refinery_schema_history SET checksum = '7' WHERE version = 9;
         UPDATE globex.refinery_schema_history SET checksum = '7' WHERE version = 9;
         INSERT INTO initech.refinery_schema_history VALUES (0, 'gone', '', '9');
         UPDATE migrations.tenants SET schema_oid = 7 WHERE schema_name = 'initech'",
    );
    let page = |args: &[&str]| {
        let page = site.page(args);
        // The embedded checksum is refinery's.
        let migrator = migrate::migrator().unwrap();
        let ninth = migrator.tenant_set().migrations().iter().find(|migration| migration.version() == 9).unwrap();
        page.replace(&ninth.checksum().to_string(), "[embedded checksum]")
    };
    assert_page!("repair_explains", page(&["repair"]));
    assert_page!("repair_dry_run", page(&["repair", "--update-checksums", "9", "--dry-run"]));
    assert_page!("repair_refused", page(&["repair", "--mark-unapplied", "5", "--tenant", "acme"]));
    site.run(&["repair", "--update-checksums", "9"]).succeeded();
    assert_page!("repair_done", page(&["repair", "--mark-unapplied", "0", "--tenant", "initech"]));
    site.run(&["repair", "--rebuild-registry"]).succeeded();
    let (code, done) = site.json(&["repair"]);
    assert_eq!((code, done), (0, json!({"dry_run": false, "found": [], "repaired": []})));
    assert_eq!(site.run(&["status", "--check"]).code, 0);
}

#[test]
fn a_mark_is_cleared_of_a_tenant_or_of_the_shared_schema() {
    let site = Site::with_tenants(&["acme"]);
    for (name, tenant) in [("public", json!(null)), ("acme", json!("acme"))] {
        let (code, done) = site.json(&["repair", "--clear-mark", name]);
        let repaired = &done["repaired"][0];
        assert_eq!((code, &repaired["schema"], &repaired["tenant"]), (1, &json!(name), &tenant), "{done}");
        assert_eq!(repaired["text"], json!("no run was interrupted there"));
    }
    assert_eq!(site.run(&["repair", "--clear-mark", "nobody"]).code, 1);
}

#[test]
fn a_sign_up_while_diverged_is_refused_with_the_way_out() {
    let site = Site::with_tenants(&["acme"]);
    site.execute("UPDATE migrations.tenants SET digest = 7");
    assert_page!("create_while_diverged", site.page(&["tenant", "create", "globex"]));
    site.run(&["tenant", "create", "globex", "--allow-divergence"]).succeeded();
}
