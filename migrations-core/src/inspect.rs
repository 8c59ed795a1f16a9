//! Sends a script so that what it does outside of its schema is seen before it is committed.
//!
//! What a migration puts together while it runs cannot be read before. So the first tenant of every distinct script is
//! sent in an explicit transaction, and what lies outside of its schema is compared: before and after the migrations, by a
//! fingerprint of every catalog row, dropped things included. What differs is ours when it is as before once the
//! transaction is rolled back; otherwise another session has changed it meanwhile, and the tenant is sent again.

use std::collections::{HashMap, HashSet};

use postgres::types::Type;
use postgres::{Client, Error as DriverError, SimpleQueryMessage};

use crate::lock;
use crate::script::{Job, Origin, Script};
use crate::server_error::ServerError;
use crate::sql::{BEGINNING, Ident, Literal};

const FINGERPRINT: &str = include_str!("fingerprint.sql");
const MAY_GO: &str = include_str!("may_go.sql");

/// How often a tenant is sent again because others change what it is compared with.
const TRIES: usize = 5;

/// Objects that are gone though this transaction holds the lock that dropping takes. A catalog row that is deleted cannot be
/// seen any more, its lock can.
const GONE: &str = "\
SELECT DISTINCT l.classid::int8, l.objid::int8
FROM (
    SELECT coalesce(classid, 'pg_class'::regclass) AS classid, coalesce(objid, relation) AS objid
    FROM pg_locks
    WHERE pid = pg_backend_pid() AND mode = 'AccessExclusiveLock' AND locktype IN ('relation', 'object')
        AND database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
) AS l
WHERE pg_describe_object(l.classid, l.objid, 0) IS NULL
    OR l.classid = 'pg_class'::regclass AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = l.objid)";

/// Which of some objects are there, in a schema that is none of these.
const STILL_THERE: &str = "\
SELECT DISTINCT pg_describe_object(o.classid::oid, o.objid::oid, 0)
FROM unnest($1::int8[], $2::int8[]) AS o (classid, objid)
CROSS JOIN LATERAL pg_identify_object(o.classid::oid, o.objid::oid, 0) AS i
WHERE pg_describe_object(o.classid::oid, o.objid::oid, 0) IS NOT NULL AND i.schema <> ALL ($3::text[])
ORDER BY 1";

/// What an object of the catalog, or something beside it, is known by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    class: Option<i64>,
    object: Option<i64>,
    part: i32,
    name: Option<String>,
}

/// What was seen outside of the schema.
type Seen = HashMap<Key, Option<String>>;

/// What a script may change beside its own schema.
pub(crate) struct Allowed<'a> {
    pub(crate) schemas: Vec<&'a str>,
    /// What no schema holds.
    pub(crate) database: bool,
}

/// Why a script was not committed.
pub(crate) enum Stopped {
    /// The server refused a part of it.
    Refused { error: DriverError, sent: Script },
    /// It changed what is not the tenant's.
    Outside(Box<ServerError>),
}

/// What is found of a script that was applied, and not yet committed.
struct Findings {
    /// What has a later number was made by the script, or since.
    newest: i64,
    before: Seen,
    changed: Vec<(Key, String)>,
    gone: Vec<(i64, i64)>,
}

/// Sends the script and commits it, when it changes nothing outside of the job's schema.
pub(crate) fn send(client: &mut Client, job: &Job<'_>, script: &Script, allowed: &Allowed<'_>) -> Result<(), Stopped> {
    let result = attempts(client, job, script, allowed);
    if result.is_err() {
        // On a connection that is lost there is nothing left to roll back.
        let _ = client.batch_execute("ROLLBACK");
    }
    result
}

fn attempts(client: &mut Client, job: &Job<'_>, script: &Script, allowed: &Allowed<'_>) -> Result<(), Stopped> {
    let ours = |error| Stopped::Refused { error, sent: Script::default() };
    for _ in 0..TRIES {
        let found = apply(client, job, script, allowed)?;
        if found.changed.is_empty() && found.gone.is_empty() {
            return finish(client, script);
        }
        client.batch_execute("ROLLBACK").map_err(ours)?;
        let outside = confirm(client, job, allowed, &found).map_err(ours)?;
        if !outside.is_empty() {
            return Err(Stopped::Outside(Box::new(refusal(&outside))));
        }
    }
    let message = "other sessions keep changing what this tenant's migrations are compared with".to_owned();
    let hint = "run again when the changes outside of the tenants are done".to_owned();
    Err(Stopped::Outside(Box::new(ServerError::raised(lock::OTHERS, message, hint))))
}

/// Sends everything up to the registry's row, and looks.
fn apply(client: &mut Client, job: &Job<'_>, script: &Script, allowed: &Allowed<'_>) -> Result<Findings, Stopped> {
    let ours = |error| Stopped::Refused { error, sent: Script::default() };
    let [opening, migrations, _] = script.around_migrations();
    client.batch_execute(&format!("BEGIN;\n{}", opening.message())).map_err(ours)?;
    let newest = newest_oid(client, job).map_err(ours)?;
    let before = look(client, job, allowed, newest).map_err(ours)?;
    let is_about_nothing = job.origin != Origin::Exists && allowed.schemas.is_empty() && !allowed.database;
    let mut own = if is_about_nothing { HashSet::new() } else { may_go(client, job, allowed).map_err(ours)? };
    own.extend(pairs(client, GONE).map_err(ours)?);
    if let Err(error) = client.batch_execute(&migrations.message()) {
        return Err(Stopped::Refused { error, sent: migrations });
    }
    let after = look(client, job, allowed, newest).map_err(ours)?;
    let changed = differences(&before, &after);
    let changed = describe(client, changed).map_err(ours)?;
    // What came and went in between, temporary tables for one, is nobody else's.
    let is_older = |object: i64| u32::try_from((newest - object).rem_euclid(1 << 32)).is_ok_and(|age| age < 1 << 31);
    let gone = pairs(client, GONE).map_err(ours)?.into_iter();
    let gone = gone.filter(|object| is_older(object.1) && !own.contains(object)).collect();
    Ok(Findings { newest, before, changed, gone })
}

fn finish(client: &mut Client, script: &Script) -> Result<(), Stopped> {
    let [_, _, closing] = script.around_migrations();
    let message = format!("{}COMMIT", closing.message());
    client.batch_execute(&message).map_err(|error| Stopped::Refused { error, sent: closing })
}

/// What of the findings is the script's doing: it is as before, now that the transaction is rolled back.
fn confirm(
    client: &mut Client,
    job: &Job<'_>,
    allowed: &Allowed<'_>,
    found: &Findings,
) -> Result<Vec<String>, DriverError> {
    client.batch_execute(&format!("BEGIN;\n{}", BEGINNING.join(";\n")))?;
    let back = look(client, job, allowed, found.newest)?;
    // The server counts what a transaction wrote, whether it was rolled back or not.
    let is_count = |key: &Key| key.name.as_ref().is_some_and(|name| name.starts_with("rows of "));
    let is_back = |key: &Key| is_count(key) || found.before.get(key) == back.get(key);
    let mut outside = Vec::new();
    for (key, description) in &found.changed {
        if !is_back(key) {
            continue;
        }
        // What was dropped can be named again.
        let named = describe(client, vec![key.clone()])?;
        let name = named.into_iter().map(|(_, name)| name).find(|name| !name.is_empty());
        outside.push(Some(description.clone()).filter(|name| !name.is_empty()).or(name).unwrap_or_default());
    }
    let (classes, objects): (Vec<i64>, Vec<i64>) = found.gone.iter().copied().unzip();
    let mut not_outside: Vec<String> = allowed.schemas.iter().map(|&schema| schema.to_owned()).collect();
    not_outside.push(job.schema().to_owned());
    let rows = client.query_typed(
        STILL_THERE,
        &[(&classes, Type::INT8_ARRAY), (&objects, Type::INT8_ARRAY), (&not_outside, Type::TEXT_ARRAY)],
    )?;
    outside.extend(rows.iter().map(|row| row.get::<_, Option<String>>(0).unwrap_or_default()));
    client.batch_execute("ROLLBACK")?;
    if outside.iter().any(|name: &String| !name.is_empty()) {
        outside.retain(|name| !name.is_empty());
    }
    outside.sort();
    outside.dedup();
    Ok(outside)
}

fn look(client: &mut Client, job: &Job<'_>, allowed: &Allowed<'_>, newest: i64) -> Result<Seen, DriverError> {
    let layout = job.layout();
    let own = [job.schema()];
    let inside: Vec<_> = allowed.schemas.iter().chain(&own).map(|name| Literal(name).to_string()).collect();
    let tables = ["sets", "tenants", "tenant_domains", "runs", "leases"];
    let registry: Vec<_> = tables.iter().map(|table| Literal(&layout.table(table)).to_string()).collect();
    let query = FINGERPRINT
        .replace("%allowed%", &format!("ARRAY[{}]", inside.join(", ")))
        .replace("%tenants%", &layout.table("tenants"))
        .replace("%registry%", &registry.join(", "))
        .replace("%newest%", &newest.to_string())
        .replace("%database%", if allowed.database { "true" } else { "false" });
    let rows = client.query_typed(&query, &[])?;
    let key = |row: &postgres::Row| Key { class: row.get(0), object: row.get(1), part: row.get(2), name: row.get(3) };
    Ok(rows.iter().map(|row| (key(row), row.get(4))).collect())
}

/// An object of the newest number: what has a later one was made after this. Numbers come round.
fn newest_oid(client: &mut Client, job: &Job<'_>) -> Result<i64, DriverError> {
    let name = format!("{}.{}", Ident(job.schema()), Ident(&format!("migrate_{:016x}", fastrand::u64(..))));
    let message = format!("CREATE TYPE {name} AS ENUM ();\nSELECT {}::regtype::oid;\nDROP TYPE {name}", Literal(&name));
    let answers = client.simple_query(&message)?;
    let oid = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(oid.unwrap_or(i64::MAX))
}

/// What may be dropped: the schema and what depends on it; what is in the schemas that may be changed; and, where that is
/// allowed, what no schema holds, with the members of an extension. Nothing of another tenant.
fn may_go(client: &mut Client, job: &Job<'_>, allowed: &Allowed<'_>) -> Result<HashSet<(i64, i64)>, DriverError> {
    let own = match job.origin {
        Origin::Exists => Literal(job.schema()).to_string(),
        Origin::Created { .. } => "NULL".to_owned(),
    };
    let schemas: Vec<_> = allowed.schemas.iter().map(|name| Literal(name).to_string()).collect();
    let query = MAY_GO
        .replace("%own%", &own)
        .replace("%allowed%", &format!("ARRAY[{}]", schemas.join(", ")))
        .replace("%database%", if allowed.database { "true" } else { "false" })
        .replace("%tenants%", &job.layout().table("tenants"));
    Ok(pairs(client, &query)?.into_iter().collect())
}

fn pairs(client: &mut Client, query: &str) -> Result<Vec<(i64, i64)>, DriverError> {
    Ok(client.query_typed(query, &[])?.iter().map(|row| (row.get(0), row.get(1))).collect())
}

fn differences(before: &Seen, after: &Seen) -> Vec<Key> {
    let new = after.iter().filter(|(key, content)| match before.get(key) {
        Some(old) => old != *content,
        // A role of the tenant's own, or a setting of an extension that was loaded.
        None => key.part != -1,
    });
    let dropped = before.keys().filter(|key| !after.contains_key(key));
    let mut keys: Vec<_> = new.map(|(key, _)| key).chain(dropped).cloned().collect();
    keys.sort();
    // The columns of a table that has come or gone are not worth a word each.
    let is_whole = |key: &Key| {
        let table = Key { part: 0, ..key.clone() };
        key.part > 0 && before.contains_key(&table) != after.contains_key(&table)
    };
    keys.retain(|key| !is_whole(key));
    keys
}

/// Names the objects; an empty name for what is not there.
fn describe(client: &mut Client, keys: Vec<Key>) -> Result<Vec<(Key, String)>, DriverError> {
    let query = "SELECT pg_describe_object($1::int8::oid, $2::int8::oid, $3)";
    keys.into_iter()
        .map(|key| {
            let name = match (&key.name, key.class, key.object) {
                (None, Some(class), Some(object)) => {
                    let rows = client.query_typed(
                        query,
                        &[(&class, Type::INT8), (&object, Type::INT8), (&key.part.max(0), Type::INT4)],
                    )?;
                    rows.first().and_then(|row| row.get::<_, Option<String>>(0)).unwrap_or_default()
                }
                (name, ..) => name.clone().unwrap_or_default(),
            };
            Ok((key, name))
        })
        .collect()
}

fn refusal(outside: &[String]) -> ServerError {
    const MOST: usize = 5;
    let named = outside[..outside.len().min(MOST)].join(", ");
    let more = match outside.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("the migrations changed what is not the tenant's: {named}{more}");
    let hint = if outside.iter().any(|name| name.starts_with("extension ")) {
        "an extension is the database's: CREATE EXTENSION by itself, not in a block, is done once and before the tenants; what \
         else is done to one needs `-- migrate: allow-database` on top (MigrationSet::allow_database in code, for a file that \
         is applied already), or belongs into a migration of the shared set"
    } else {
        "what all tenants share is changed by a migration of the shared set; where a tenant's migration means it, say \
         `-- migrate: allow-schema NAME` on top, or `allow-database` for what no schema holds \
         (MigrationSet::allow_schema and allow_database in code, for a file that is applied already)"
    };
    ServerError::raised(lock::TRESPASS, message, hint.to_owned())
}
