//! Sends a script so that its changes outside its schema are seen before it is committed.
//!
//! SQL that a migration builds while it runs cannot be read in advance. So the first tenant of every distinct script is
//! sent in an explicit transaction, and the state outside its schema is compared before and after the migrations, by a
//! fingerprint of every catalog row, including dropped objects. A difference is ours if it disappears when the
//! transaction is rolled back; otherwise another session has made it in the meantime, and the tenant is sent again.

use std::collections::{HashMap, HashSet};

use postgres::types::Type;
use postgres::{Client, Error as DriverError, SimpleQueryMessage};

use super::deliver::{no_place, send_script_within};
use crate::names::{Ident, Literal, fill};
use crate::plan::{Origin, Script, Step, Unit};
use crate::report::ServerError;
use crate::server::{Refused, query_within, send_within};
use crate::store::{BEGINNING, codes};

const FINGERPRINT: &str = include_str!("fingerprint.sql");
const MAY_GO: &str = include_str!("may_go.sql");

/// How often a tenant is sent again because other sessions change the state that it is compared with.
const TRIES: usize = 5;

const GONE: &str = include_str!("gone.sql");
const STILL_THERE: &str = include_str!("still_there.sql");

/// The identity of an object of the catalog, or of something outside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    class: Option<i64>,
    object: Option<i64>,
    part: i32,
    name: Option<String>,
}

/// The state outside the schema.
type Seen = HashMap<Key, Option<String>>;

/// What a script may change besides its own schema.
pub(crate) struct Allowed<'a> {
    pub(crate) schemas: Vec<&'a str>,
    /// Objects that belong to no schema.
    pub(crate) database: bool,
}

/// Why a script was not committed.
pub(crate) enum Stopped {
    /// The server refused a part of it.
    Refused { refused: Refused, sent: Script },
    /// It changed something outside the tenant.
    Outside(Box<ServerError>),
}

/// The findings about a script that was applied and not yet committed.
struct Findings {
    /// The script, or another session since, created every object with a later number.
    newest: i64,
    before: Seen,
    changed: Vec<(Key, String)>,
    gone: Vec<(i64, i64)>,
}

/// Sends the script, and commits it if it changes nothing outside the unit's schema.
pub(crate) fn send(
    client: &mut Client,
    unit: &Unit<'_>,
    script: &Script,
    allowed: &Allowed<'_>,
) -> Result<(), Stopped> {
    let result = attempts(client, unit, script, allowed);
    if result.is_err() {
        // A lost connection has nothing to roll back.
        let _ = client.batch_execute("ROLLBACK");
    }
    result
}

fn attempts(client: &mut Client, unit: &Unit<'_>, script: &Script, allowed: &Allowed<'_>) -> Result<(), Stopped> {
    let ours = |error| Stopped::Refused { refused: no_place(error), sent: Script::default() };
    for _ in 0..TRIES {
        let found = apply(client, unit, script, allowed)?;
        if found.changed.is_empty() && found.gone.is_empty() {
            return finish(client, unit, script);
        }
        client.batch_execute("ROLLBACK").map_err(ours)?;
        let outside = confirm(client, unit, allowed, &found).map_err(ours)?;
        if !outside.is_empty() {
            return Err(Stopped::Outside(Box::new(refusal(&outside))));
        }
    }
    let message = "other sessions keep changing objects outside the tenants, so these migrations cannot be checked";
    let hint = "run again when those changes are finished".to_owned();
    Err(Stopped::Outside(Box::new(ServerError::raised(codes::OTHERS, message.to_owned(), hint))))
}

/// Sends everything before the registry's row, and compares.
fn apply(client: &mut Client, unit: &Unit<'_>, script: &Script, allowed: &Allowed<'_>) -> Result<Findings, Stopped> {
    let ours = |error| Stopped::Refused { refused: no_place(error), sent: Script::default() };
    let [opening, migrations, _] = script.around_migrations();
    send_part(client, unit, &opening.after_begin())?;
    let newest = newest_oid(client, unit).map_err(ours)?;
    let before = look(client, unit, allowed, newest).map_err(ours)?;
    let is_about_nothing = unit.origin != Origin::Exists && allowed.schemas.is_empty() && !allowed.database;
    let mut own = if is_about_nothing { HashSet::new() } else { may_go(client, unit, allowed).map_err(ours)? };
    own.extend(pairs(client, GONE).map_err(ours)?);
    send_part(client, unit, &migrations)?;
    let after = look(client, unit, allowed, newest).map_err(ours)?;
    let changed = differences(&before, &after);
    let changed = describe(client, changed).map_err(ours)?;
    // Objects that were created and dropped in between, such as temporary tables, concern no one else.
    let is_older = |object: i64| u32::try_from((newest - object).rem_euclid(1 << 32)).is_ok_and(|age| age < 1 << 31);
    let gone = pairs(client, GONE).map_err(ours)?.into_iter();
    let gone = gone.filter(|object| is_older(object.1) && !own.contains(object)).collect();
    Ok(Findings { newest, before, changed, gone })
}

fn finish(client: &mut Client, unit: &Unit<'_>, script: &Script) -> Result<(), Stopped> {
    let [_, _, mut closing] = script.around_migrations();
    closing.push(Step::Record, "COMMIT");
    send_part(client, unit, &closing)
}

fn send_part(client: &mut Client, unit: &Unit<'_>, part: &Script) -> Result<(), Stopped> {
    send_script_within(client, unit, part).map_err(|refused| Stopped::Refused { refused, sent: part.clone() })
}

/// The findings that are the script's doing: those that disappear now that the transaction is rolled back.
fn confirm(
    client: &mut Client,
    unit: &Unit<'_>,
    allowed: &Allowed<'_>,
    found: &Findings,
) -> Result<Vec<String>, DriverError> {
    let beginning = [&["BEGIN"], &BEGINNING[..]].concat();
    send_within(client, unit.engine.delivery(), &beginning).map_err(|refused| refused.error)?;
    let back = look(client, unit, allowed, found.newest)?;
    // The server counts what a transaction wrote even if it was rolled back.
    let is_count = |key: &Key| key.name.as_ref().is_some_and(|name| name.starts_with("rows of "));
    let is_back = |key: &Key| is_count(key) || found.before.get(key) == back.get(key);
    let mut outside = Vec::new();
    for (key, description) in &found.changed {
        if !is_back(key) {
            continue;
        }
        // Dropped objects can be named again.
        let named = describe(client, vec![key.clone()])?;
        let name = named.into_iter().map(|(_, name)| name).find(|name| !name.is_empty());
        outside.push(Some(description.clone()).filter(|name| !name.is_empty()).or(name).unwrap_or_default());
    }
    let (classes, objects): (Vec<i64>, Vec<i64>) = found.gone.iter().copied().unzip();
    let mut not_outside: Vec<String> = allowed.schemas.iter().map(|&schema| schema.to_owned()).collect();
    not_outside.push(unit.schema().to_owned());
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

fn look(client: &mut Client, unit: &Unit<'_>, allowed: &Allowed<'_>, newest: i64) -> Result<Seen, DriverError> {
    let layout = unit.layout();
    let own = [unit.schema()];
    let inside: Vec<_> = allowed.schemas.iter().chain(&own).map(|name| Literal(name).to_string()).collect();
    let tables = ["sets", "tenants", "tenant_domains", "runs", "leases"];
    let registry: Vec<_> = tables.iter().map(|table| Literal(&layout.table(table)).to_string()).collect();
    let query = fill(
        FINGERPRINT,
        &[
            ("allowed", &format!("ARRAY[{}]", inside.join(", "))),
            ("tenants", &layout.table("tenants")),
            ("registry", &registry.join(", ")),
            ("newest", &newest),
            ("database", &allowed.database),
        ],
    );
    let rows = client.query_typed(&query, &[])?;
    let key = |row: &postgres::Row| Key { class: row.get(0), object: row.get(1), part: row.get(2), name: row.get(3) };
    Ok(rows.iter().map(|row| (key(row), row.get(4))).collect())
}

/// An object with the newest number: objects with later numbers are created after this. Numbers wrap around.
fn newest_oid(client: &mut Client, unit: &Unit<'_>) -> Result<i64, DriverError> {
    let name = format!("{}.{}", Ident(unit.schema()), Ident(&format!("migrate_{:016x}", fastrand::u64(..))));
    let statements = [
        format!("CREATE TYPE {name} AS ENUM ()"),
        format!("SELECT {}::regtype::oid", Literal(&name)),
        format!("DROP TYPE {name}"),
    ];
    let answers = query_within(client, unit.engine.delivery(), &statements).map_err(|refused| refused.error)?;
    let oid = answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
        _ => None,
    });
    Ok(oid.unwrap_or(i64::MAX))
}

/// The objects that may be dropped: the schema and everything that depends on it; the objects in the schemas that may
/// be changed; and, if that is allowed, objects that belong to no schema, with the members of an extension. Nothing of
/// another tenant.
fn may_go(client: &mut Client, unit: &Unit<'_>, allowed: &Allowed<'_>) -> Result<HashSet<(i64, i64)>, DriverError> {
    let own = match unit.origin {
        Origin::Exists => Literal(unit.schema()).to_string(),
        Origin::Created { .. } => "NULL".to_owned(),
    };
    let schemas: Vec<_> = allowed.schemas.iter().map(|name| Literal(name).to_string()).collect();
    let query = fill(
        MAY_GO,
        &[
            ("own", &own),
            ("allowed", &format!("ARRAY[{}]", schemas.join(", "))),
            ("database", &allowed.database),
            ("tenants", &unit.layout().table("tenants")),
        ],
    );
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
    // The columns of a table that was created or dropped are not named one by one.
    let is_whole = |key: &Key| {
        let table = Key { part: 0, ..key.clone() };
        key.part > 0 && before.contains_key(&table) != after.contains_key(&table)
    };
    keys.retain(|key| !is_whole(key));
    keys
}

/// Names the objects; the name is empty if the object does not exist.
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
    let message = format!("the migrations changed objects outside the tenant: {named}{more}");
    let hint = if outside.iter().any(|name| name.starts_with("extension ")) {
        "an extension belongs to the database: a CREATE EXTENSION outside a block runs once, before the tenants; any \
         other change to one needs `-- migrate: allow-database` on top (MigrationSet::allow_database in code, for a \
         file that is applied already), or belongs in a migration of the shared set"
    } else {
        "shared objects are changed by a migration of the shared set; if a tenant's migration has to change them, say \
         `-- migrate: allow-schema NAME` on top, or `allow-database` for objects that belong to no schema \
         (MigrationSet::allow_schema and allow_database in code, for a file that is applied already)"
    };
    ServerError::raised(codes::ISOLATION, message, hint.to_owned())
}
