//! Spare schemas of the warm pool. A spare is a row of the registry whose name no tenant can have. That name decides
//! what is given to a tenant or dropped; the status does not, because it belongs to the application. Older binaries use
//! the status, so a spare's status is `spare`.

use std::time::{Duration, SystemTime};

use postgres::types::Type;
use postgres::{Client, SimpleQueryRow};

use super::divergence::is_diverged;
use super::layout::{BEGINNING, Layout};
use super::lock::{Lock, guard_with, lock_key};
use super::registry::rows_or_no_registry;
use super::tenants::{delete_registration, is_registered, own_name, reserved_names, tenant_exists};
use crate::names::{Ident, Literal, Member, SchemaName, is_spare_sql};
use crate::report::{Error, PoolStatus, Tenant};
use crate::set::{Digest, MigrationSet};

/// The number of spares, and of those that are up to date.
pub(crate) fn count_spares(client: &mut Client, layout: &Layout, latest: Digest) -> Result<PoolStatus, Error> {
    let query = layout.sql(include_str!("sql/count_spares.sql"), &[("is_spare", &is_spare_sql("schema_name"))]);
    let rows = client.query_typed(&query, &[(&latest.to_sql(), Type::INT8)]);
    let rows = rows_or_no_registry(rows, "counting spare schemas")?.unwrap_or_default();
    let count = |index| rows.first().and_then(|row| usize::try_from(row.get::<_, i64>(index)).ok()).unwrap_or_default();
    Ok(PoolStatus { ready: count(0), behind: count(1) - count(0) })
}

/// All spares.
pub(crate) fn spares(client: &mut Client, layout: &Layout) -> Result<Vec<SchemaName>, Error> {
    let rows = client.query_typed(&reserved_names(layout, &is_spare_sql("schema_name")), &[]);
    let rows = rows_or_no_registry(rows, "listing spare schemas")?.unwrap_or_default();
    rows.iter().map(|row| row.get::<_, &str>(0).parse().map_err(Error::from)).collect()
}

/// The condition under which a spare no longer exists, and the statements that drop it with its registration.
pub(crate) fn drop_spare(layout: &Layout, spare: &SchemaName) -> (String, [String; 2]) {
    let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", Ident(spare.as_str()));
    (format!("NOT {}", is_registered(layout, spare)), [drop, delete_registration(layout, spare)])
}

/// One transaction that turns a spare into the tenant, if a spare is ready and both sets are current: the rename and
/// the registration. Its only row is [read](taken) as the tenant; there is no row if there was no spare. A test can
/// stop the transaction at `gate`.
pub(crate) fn take_spare(
    layout: &Layout,
    sets: [(&SchemaName, Digest); 2],
    tenants: &MigrationSet,
    allow_divergence: bool,
    member: &Member,
    gate: &str,
) -> Vec<String> {
    let new = Literal(member.schema.as_str());
    let current = ["registry", "shared"].into_iter().zip(sets).map(|(key, (schema, digest))| {
        layout.sql(
            include_str!("sql/set_is_current.sql"),
            &[("name", &Literal(key)), ("digest", &digest.to_sql()), ("schema", &Literal(schema.as_str()))],
        )
    });
    let current = current.collect::<Vec<_>>().join(" AND ");
    let stale = format!("{} OR NOT ({current})", tenant_exists(layout, member));
    let stale =
        if allow_divergence { stale } else { format!("{stale} OR {}", is_diverged(layout, tenants).trim_end()) };
    let is_ready = layout.sql(
        include_str!("sql/spare_is_ready.sql"),
        &[("is_spare", &is_spare_sql("schema_name")), ("digest", &tenants.digest().to_sql())],
    );
    let body = layout.sql(
        include_str!("sql/take_spare.sql"),
        &[
            ("is_ready", &is_ready.trim_end()),
            ("spare_key", &lock_key(layout, "spare")),
            ("new", &new),
            ("known_as", &own_name(member)),
            ("gate", &gate),
        ],
    );
    let mut statements = BEGINNING.map(str::to_owned).to_vec();
    statements.push(guard_with(layout, Lock::Tenant(&member.schema), &stale, "DECLARE spare name; ", &body));
    statements.push(layout.sql(include_str!("sql/taken_spare.sql"), &[("new", &new)]));
    statements
}

/// Reads the row of [`take_spare`]; a tenant that was just created has no domains.
pub(crate) fn taken(row: &SimpleQueryRow, member: &Member) -> Option<Tenant> {
    let time = |index: usize| Some(SystemTime::UNIX_EPOCH + Duration::from_micros(row.get(index)?.parse().ok()?));
    Some(Tenant {
        id: row.get(0)?.parse().ok()?,
        name: member.name.clone(),
        schema: member.schema.clone(),
        display_name: row.get(2).map(str::to_owned),
        metadata: row.get(3)?.to_owned(),
        status: row.get(4)?.to_owned(),
        version: row.get(1).and_then(|version| version.parse().ok()),
        created_at: time(5)?,
        migrated_at: time(6),
        last_error: None,
        domains: Vec::new(),
    })
}

/// Functions whose settings name the schema that they were created in. That is text, which a rename does not change.
pub(crate) fn pinned_functions(client: &mut Client, spare: &SchemaName) -> Result<Vec<String>, Error> {
    let rows = client
        .query_typed(include_str!("sql/pinned_functions.sql"), &[(&spare.as_str(), Type::TEXT)])
        .map_err(|error| Error::from_driver("inspecting a spare schema's functions", &error))?;
    let unqualified = |name: String| name.replace(&format!("{spare}."), "");
    Ok(rows.iter().map(|row| unqualified(row.get(0))).collect())
}
