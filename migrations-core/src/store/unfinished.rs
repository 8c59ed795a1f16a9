//! A new tenant that needs more than one transaction: it is created under a hidden name, and the last transaction
//! renames and registers it. So it is complete or does not exist at all. A later run recognises by its name what a
//! crash left, and drops it.

use std::time::Duration;

use postgres::Client;
use postgres::types::Type;

use super::layout::{BEGINNING, Layout};
use super::lock::{Lock, guard};
use super::tenants::{delete_registration, own_name, reserved_names, tenant_exists};
use crate::names::{Ident, Literal, Member, SchemaName, is_unfinished_sql};
use crate::report::Error;

/// How long a schema whose lock no session holds is left to the process that began it.
const TERM: Duration = Duration::from_mins(1);

/// Takes the lock on the schema that the tenant will have, or raises if another process has created the tenant.
pub(crate) fn guard_name(layout: &Layout, member: &Member) -> String {
    guard(layout, Lock::Tenant(&member.schema), &tenant_exists(layout, member))
}

/// Announces that a process is working on the schema.
pub(crate) fn renew_unfinished(layout: &Layout, hidden: &str) -> String {
    layout.sql(include_str!("sql/renew_unfinished.sql"), &[("hidden", &Literal(hidden)), ("seconds", &TERM.as_secs())])
}

/// Gives the schema its name, and the registration the tenant's. Functions whose settings name the schema get the new name,
/// since that is text, which renaming does not change.
pub(crate) fn finish(layout: &Layout, hidden: &str, member: &Member) -> [String; 4] {
    let schema = member.schema.as_str();
    let (old, new, regnamespace) = (Literal(hidden), Literal(schema), Ident(schema).to_string());
    [
        format!("ALTER SCHEMA {} RENAME TO {}", Ident(hidden), Ident(schema)),
        layout.sql(
            include_str!("sql/rename_pinned.sql"),
            &[("old", &old), ("new", &new), ("regnamespace", &Literal(&regnamespace))],
        ),
        layout.sql(
            include_str!("sql/rename_registration.sql"),
            &[("old", &old), ("new", &new), ("known_as", &own_name(member))],
        ),
        forget(layout, hidden),
    ]
}

fn forget(layout: &Layout, hidden: &str) -> String {
    layout.sql(include_str!("sql/forget_unfinished.sql"), &[("hidden", &Literal(hidden))])
}

/// Drops the schema and its registration, unless another session holds its lock.
pub(crate) fn discard_unfinished(layout: &Layout, hidden: &SchemaName, only_expired: bool) -> Vec<String> {
    let in_use = if only_expired {
        layout.sql(include_str!("sql/unfinished_in_use.sql"), &[("hidden", &Literal(hidden.as_str()))])
    } else {
        "false".to_owned()
    };
    let mut statements = BEGINNING.map(str::to_owned).to_vec();
    statements.extend([
        guard(layout, Lock::Tenant(hidden), &in_use),
        "SET LOCAL lock_timeout = '1s'".to_owned(),
        format!("DROP SCHEMA IF EXISTS {} CASCADE", Ident(hidden.as_str())),
        delete_registration(layout, hidden),
        forget(layout, hidden.as_str()),
    ]);
    statements
}

/// The schemas of new tenants that are not finished.
pub(crate) fn unfinished(client: &mut Client, layout: &Layout) -> Result<Vec<SchemaName>, Error> {
    let query = reserved_names(layout, &is_unfinished_sql("schema_name"));
    let rows = client
        .query_typed(&query, &[] as &[(&(dyn postgres::types::ToSql + Sync), Type)])
        .map_err(|error| Error::from_driver("looking for new tenants that were never finished", &error))?;
    Ok(rows.iter().filter_map(|row| row.get::<_, &str>(0).parse().ok()).collect())
}
