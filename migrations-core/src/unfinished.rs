//! A new tenant that needs more than one transaction: it is made under a hidden name, and the last transaction renames and
//! registers it, so that it is whole or not at all. What a crash leaves is known by its name, and swept by a later run.

use std::time::Duration;

use crate::lock::{self, Lock};
use crate::name::TenantName;
use crate::registry::Layout;
use crate::sql::{Ident, Literal};

/// How long a schema that nobody works on is left to whoever has begun it.
const TERM: Duration = Duration::from_mins(1);

/// The lock on the name that the tenant is going to have, and a look at whether somebody else has made it.
pub(crate) fn guard(layout: &Layout, name: &TenantName) -> String {
    let taken =
        format!("EXISTS (SELECT FROM {} WHERE schema_name = {})", layout.table("tenants"), Literal(name.as_str()));
    lock::guard(&layout.registry, Lock::Tenant(name), &taken)
}

/// Says that somebody is at work on the schema.
pub(crate) fn renew(layout: &Layout, hidden: &str) -> String {
    format!(
        "INSERT INTO {} (name, holder, expires_at) VALUES ('unfinished', {}, clock_timestamp() + interval '{} seconds') \
         ON CONFLICT (name, holder) DO UPDATE SET expires_at = excluded.expires_at",
        layout.table("leases"),
        Literal(hidden),
        TERM.as_secs(),
    )
}

/// Gives the schema and its registration the tenant's name. Functions whose settings name the schema are told the new one:
/// that is text, which renaming does not change.
pub(crate) fn finish(layout: &Layout, hidden: &str, name: &TenantName) -> String {
    let (old, new) = (Literal(hidden), Literal(name.as_str()));
    format!(
        "ALTER SCHEMA {} RENAME TO {};
DO $migrate$
DECLARE
    pinned record;
BEGIN
    FOR pinned IN
        SELECT p.oid::regprocedure AS routine, split_part(setting, '=', 1) AS name,
            replace(substr(setting, strpos(setting, '=') + 1), {old}, quote_ident({new})) AS value
        FROM pg_depend d
        JOIN pg_proc p ON p.oid = d.objid
        CROSS JOIN LATERAL unnest(p.proconfig) AS setting
        WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = {regnamespace}::regnamespace
            AND d.classid = 'pg_proc'::regclass AND strpos(setting, {old}) > 0
    LOOP
        EXECUTE format('ALTER ROUTINE %s SET %I TO %s', pinned.routine, pinned.name, pinned.value);
    END LOOP;
END
$migrate$;
UPDATE {tenants} SET schema_name = {new}, status = 'active', created_at = clock_timestamp() WHERE schema_name = {old};
DELETE FROM {leases} WHERE name = 'unfinished' AND holder = {old}",
        Ident(hidden),
        Ident(name.as_str()),
        regnamespace = Literal(&Ident(name.as_str()).to_string()),
        tenants = layout.table("tenants"),
        leases = layout.table("leases"),
    )
}

/// Drops the schema and its registration, unless somebody is at work on it.
pub(crate) fn discard(layout: &Layout, hidden: &TenantName, only_expired: bool) -> String {
    let name = Literal(hidden.as_str());
    let leases = layout.table("leases");
    let in_use = format!(
        "EXISTS (SELECT FROM {leases} WHERE name = 'unfinished' AND holder = {name} AND expires_at > clock_timestamp())"
    );
    let guard =
        lock::guard(&layout.registry, Lock::Tenant(hidden), if only_expired { in_use.as_str() } else { "false" });
    format!(
        "{guard};\nSET LOCAL lock_timeout = '1s';\nDROP SCHEMA IF EXISTS {} CASCADE;\nDELETE FROM {} WHERE schema_name = {name};\n\
         DELETE FROM {leases} WHERE name = 'unfinished' AND holder = {name}",
        Ident(hidden.as_str()),
        layout.table("tenants"),
    )
}
