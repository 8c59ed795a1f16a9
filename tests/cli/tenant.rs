//! `tenant …`.

use serde_json::json;

use crate::site::{Site, assert_page};

#[test]
fn tenants_have_all_their_fields() {
    let site = Site::new();
    let created = |created| json!({"tenants": [{"name": "acme", "schema": "acme", "created": created, "version": 11}]});
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
            "id": 1, "name": "acme", "schema": "acme", "display_name": "Acme", "status": "active", "version": 11,
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
    let acme = json!({"name": "acme", "schema": "acme", "created": true, "version": 11});
    assert_eq!((code, &done["tenants"]), (1, &json!([acme])));
    assert!(done["error"]["message"].as_str().unwrap().contains("tenant adopt taken"), "{done}");
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 1);
}

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
    assert_eq!(add("acme", "SHOP.example.com"), 0, "the tenant already has it");
    assert_eq!(add("globex", "shop.example.com"), 1);
    assert_eq!(add("nobody", "other.example.com"), 1);
    assert_eq!(add("globex", "https://shop.example.com"), 2);
}

#[test]
fn an_error_names_the_command_that_resolves_it() {
    let site = Site::with_tenants(&[]);
    site.execute("CREATE SCHEMA taken");
    for (name, args) in [
        ("show_nobody", ["tenant", "show", "nobody"]),
        ("create_taken", ["tenant", "create", "taken"]),
        ("adopt_nothing", ["tenant", "adopt", "nothing"]),
    ] {
        let ran = site.run(&args);
        let (_, failed) = site.json(&args);
        let message = failed["error"]["message"].as_str().unwrap();
        assert_eq!(ran.stderr, format!("error: {message}\n"), "JSON has the text that people read");
        insta::with_settings!({omit_expression => true}, { insta::assert_snapshot!(name, ran.page()) });
    }
}

#[test]
fn a_command_for_several_tenants_names_none_of_them() {
    let site = Site::with_tenants(&["acme", "globex"]);
    site.execute("DROP SCHEMA acme CASCADE; DROP SCHEMA globex CASCADE");
    let ran = site.run(&["up"]);
    assert!(ran.stderr.contains("= help: `migrate tenant forget NAME` removes it"), "{}", ran.stderr);
    let (_, done) = site.json(&["up"]);
    let text = done["failures"][0]["text"].as_str().unwrap();
    assert!(text.contains("= help: `migrate tenant forget acme` removes it"), "{text}");
    let (_, status) = site.json(&["status"]);
    let problem = status["tenants"][1]["problem"].as_str().unwrap();
    assert!(problem.contains("= help: `migrate tenant forget globex` removes it"), "{problem}");
}

#[test]
fn a_tenant_and_its_schema_have_names_of_their_own() {
    let site = Site::new();
    assert_page!("names_no_schema", site.page(&["tenant", "create", "acme-corp"]));
    assert_eq!(site.run(&["up", "--create", "acme-corp"]).code, 1);
    assert_page!("names_created", site.page(&["tenant", "create", "acme-corp", "--schema", "t_42"]));
    let (_, done) = site.json(&["tenant", "create", "acme-corp"]);
    let acme = json!({"name": "acme-corp", "schema": "t_42", "created": false, "version": 11});
    assert_eq!(done["tenants"], json!([acme]));
    assert_page!("names_another_schema", site.page(&["tenant", "create", "acme-corp", "--schema=t_43"]));
    assert_page!("names_schema_of_another", site.page(&["tenant", "create", "--schema=t_42", "Globex & Co."]));
    site.run(&["tenant", "create", "--schema=Team \"x\"", "--", "-x"]).succeeded();
    site.run(&["tenant", "create", "--schema=\u{20ac}", "\u{1f980} \u{4e16}\u{754c}"]).succeeded();
    site.run(&["tenant", "create", "plain"]).succeeded();
    site.execute("UPDATE migrations.tenants SET created_at = '2026-01-02T03:04:05Z', migrated_at = created_at");
    assert_page!("names_list", site.page(&["tenant", "list"]));
    assert_page!("names_show", site.page(&["tenant", "show", "--", "-x"]));
    assert_page!("names_status", site.page(&["status"]));
    let (_, status) = site.json(&["status"]);
    assert_eq!((&status["tenants"][1]["name"], &status["tenants"][1]["schema"]), (&json!("-x"), &json!("Team \"x\"")));

    site.execute(
        "DELETE FROM t_42.refinery_schema_history WHERE version = 11; UPDATE migrations.tenants SET digest = NULL",
    );
    let (code, done) = site.json(&["up", "--tenant", "acme-corp"]);
    let failure = &done["failures"][0];
    assert_eq!((code, &failure["tenant"], &failure["schema"]), (1, &json!("acme-corp"), &json!("t_42")), "{done}");
    assert!(failure["text"].as_str().unwrap().starts_with("tenant acme-corp (schema t_42): "), "{failure}");
    site.run(&["up", "--tenant=-x"]).succeeded();
    site.run(&["tenant", "domain", "add", "--primary", "--", "-x", "x.example.com"]).succeeded();
}

#[test]
fn a_schema_of_any_name_is_adopted_and_forgotten_by_the_commands_that_the_errors_name() {
    let site = Site::with_tenants(&[]);
    site.execute("CREATE SCHEMA \"Old one's\"; CREATE SCHEMA \"Other\"");
    assert_page!("names_exists", site.page(&["tenant", "create", "--schema=Old one's", "--", "-old"]));
    assert_page!("names_adopted", site.page(&["tenant", "adopt", "--schema=Old one's", "--", "-old"]));
    site.run(&["tenant", "adopt", "Other"]).succeeded();
    assert_eq!(site.json(&["up"]).1["tenants"]["migrated"], 2);
    assert_page!("names_forget_too_early", site.page(&["tenant", "forget", "--", "-old"]));
    site.execute("DROP SCHEMA \"Old one's\" CASCADE; DROP SCHEMA \"Other\" CASCADE");
    assert_page!("names_missing", site.page(&["status"]));
    for args in [&["tenant", "forget", "--", "-old"][..], &["tenant", "forget", "Other"]] {
        site.run(args).succeeded();
    }
    assert_eq!(site.count("SELECT count(*) FROM migrations.tenants"), 0);
}
